"""What memory a process and the machine use: one file a source, the best one that works here is taken.

Every figure is bytes, or None where the source cannot know it.
"""

from edgeshrink_device import sysroot
from edgeshrink_device.registry import Registry

__all__ = ["MEMORY", "UNTOLD", "MemorySource", "added", "pick", "state"]

MEMORY = Registry("memory source", __name__)
UNTOLD = "the system does not tell how much memory is in use"


class MemorySource:
    """Reads the memory of this process and of the machine.

    Attributes:
        shared_with_gpu: Whether the machine's memory is the GPU's, too.
    """

    shared_with_gpu = False

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

    def swap_used(self):
        """Bytes that lie in swap, or None."""
        return

    def largest_free(self):
        """{"blocks", "bytes"} of the largest free blocks of memory, or None."""
        return


def state():
    """What the machine's memory looks like now: bytes `used` and in `swap`, and `largest_free` blocks."""
    source = pick()
    return {
        "used": source.device_used(),
        "swap": source.swap_used(),
        "largest_free": source.largest_free(),
    }


def added(launches):
    """What a model adds to the memory in use on the whole machine.

    Args:
        launches: Bytes used more with it loaded, one a launch; None where not known.

    Returns:
        The middle of them and None; or None and why it is not known.
    """
    known = sorted(more for more in launches if more is not None)
    if sysroot.emulated():
        return None, "the memory of an emulated board does not change"
    if not known:
        return None, UNTOLD
    middle = known[len(known) // 2]
    if middle < 0:
        return None, "other programs gave back more memory meanwhile than the model took"
    return middle, None


def pick():
    """The available source of highest priority."""
    for entry in MEMORY.entries():
        source = entry()
        if source.available():
            return source
    raise RuntimeError("the portable memory source is always available")
