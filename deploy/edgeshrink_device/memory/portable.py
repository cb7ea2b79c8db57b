"""`portable`: the peak from getrusage, the rest from psutil where it is installed."""

import sys

from edgeshrink_device.memory import MEMORY, MemorySource

__all__ = ["PortableMemory"]


@MEMORY.register("portable")
class PortableMemory(MemorySource):
    """Memory on systems without /proc."""

    def available(self):
        """Always."""
        return True

    def process_now(self):
        """Resident bytes, with psutil."""
        psutil = _psutil()
        return psutil.Process().memory_info().rss if psutil else None

    def process_peak(self):
        """ru_maxrss in bytes: the system counts it in KiB on Linux, in bytes on macOS."""
        try:
            import resource
        except ImportError:
            return None
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else peak * 1024

    def device_used(self):
        """Total less available bytes, with psutil."""
        psutil = _psutil()
        if not psutil:
            return None
        memory = psutil.virtual_memory()
        return memory.total - memory.available

    def device_total(self):
        """Total bytes, with psutil."""
        psutil = _psutil()
        return psutil.virtual_memory().total if psutil else None


def _psutil():
    try:
        import psutil
    except ImportError:
        return None
    return psutil
