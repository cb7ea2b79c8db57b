"""What memory a process and the machine use: one file a source, the best one that works here is taken.

Every figure is bytes, or None where the source cannot know it.
"""

from edgeshrink_device.registry import Registry

__all__ = ["MEMORY", "MemorySource", "pick"]

MEMORY = Registry("memory source", __name__)


class MemorySource:
    """Reads the memory of this process and of the machine."""

    def available(self):
        """Whether this source works on this machine."""
        raise NotImplementedError

    def reset_peak(self):
        """Let the peak start from now where the system can; otherwise nothing happens."""

    def process_now(self):
        """Resident bytes of this process, or None."""
        raise NotImplementedError

    def process_peak(self):
        """Highest resident bytes of this process so far (since `reset_peak` where that works), or None."""
        raise NotImplementedError

    def device_used(self):
        """Bytes in use on the whole machine, caches that can be given back excluded, or None."""
        raise NotImplementedError

    def device_total(self):
        """Bytes of memory the machine has, or None."""
        raise NotImplementedError


def pick():
    """The available source of highest priority."""
    for entry in MEMORY.entries():
        source = entry()
        if source.available():
            return source
    raise RuntimeError("the portable memory source is always available")
