"""`proc`: Linux, from /proc/self/status (VmRSS, VmHWM) and /proc/meminfo."""

from edgeshrink_device.memory import MEMORY, MemorySource

__all__ = ["ProcMemory", "read_kilobytes"]

RESET_PEAK = "5"  # written to clear_refs: VmHWM starts again from VmRSS (Linux 4.0)


@MEMORY.register("proc")
class ProcMemory(MemorySource):
    """Memory as the Linux kernel tells it.

    Args:
        root: Where /proc is.
    """

    priority = 10

    def __init__(self, root="/proc"):
        self._root = root

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
        return self._read("/self/status", "VmRSS")

    def process_peak(self):
        """VmHWM in bytes."""
        return self._read("/self/status", "VmHWM")

    def device_used(self):
        """MemTotal - MemAvailable in bytes."""
        total, available = self.device_total(), self._read("/meminfo", "MemAvailable")
        return None if total is None or available is None else total - available

    def device_total(self):
        """MemTotal in bytes."""
        return self._read("/meminfo", "MemTotal")

    def _read(self, path, key):
        return read_kilobytes(self._root + path, key)


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
