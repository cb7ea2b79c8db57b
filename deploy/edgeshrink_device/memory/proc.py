"""`proc`: Linux, from /proc/self/status (VmRSS, VmHWM) and /proc/meminfo."""

from edgeshrink_device import sysroot
from edgeshrink_device.memory import MEMORY, MemorySource

__all__ = ["ProcMemory", "read_kilobytes"]

RESET_PEAK = "5"  # written to clear_refs: VmHWM starts again from VmRSS (Linux 4.0)


@MEMORY.register("proc")
class ProcMemory(MemorySource):
    """Memory as the Linux kernel tells it.

    Args:
        root: Where /proc is. Unless given, the process's own part is always this machine's, while the whole's
            may be a stand-in's.
    """

    priority = 10

    def __init__(self, root=None):
        self._root = root or "/proc"
        self._system = root or sysroot.path("/proc")

    def available(self):
        """Whether the kernel tells this process's peak."""
        return self.process_peak() is not None

    def reset_peak(self):
        """Start the peak from the memory resident now; kernels that refuse are left as they are."""
        try:
            with open(self._root + "/self/clear_refs", "w") as file:
                file.write(RESET_PEAK)
        except OSError:
            pass

    def process_now(self):
        """VmRSS in bytes."""
        return read_kilobytes(self._root + "/self/status", "VmRSS")

    def process_peak(self):
        """VmHWM in bytes."""
        return read_kilobytes(self._root + "/self/status", "VmHWM")

    def device_used(self):
        """MemTotal - MemAvailable in bytes."""
        total, available = self.device_total(), self._meminfo("MemAvailable")
        return None if total is None or available is None else total - available

    def device_total(self):
        """MemTotal in bytes."""
        return self._meminfo("MemTotal")

    def swap_used(self):
        """SwapTotal - SwapFree in bytes."""
        total, free = self._meminfo("SwapTotal"), self._meminfo("SwapFree")
        return None if total is None or free is None else total - free

    def _meminfo(self, key):
        return read_kilobytes(self._system + "/meminfo", key)


def read_kilobytes(path, key):
    """The value of a `Key:   123 kB` line in bytes; None when the file or the line is not there."""
    try:
        with open(path) as file:
            for line in file:
                if line.startswith(key + ":"):
                    return int(line.split()[1]) * 1024
    except (OSError, ValueError, IndexError):
        pass
    return None
