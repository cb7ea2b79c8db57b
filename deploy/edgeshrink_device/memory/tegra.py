"""`tegra`: a Jetson's memory, which processor and GPU share, so that what a model adds is seen in the whole.

`device_used` is then what tegrastats calls RAM: all that is in use, the GPU's buffers included. lfb is told
as tegrastats tells it: the largest blocks of free memory, from /proc/buddyinfo.
"""

import os

from edgeshrink_device import boards, sysroot
from edgeshrink_device.memory import MEMORY
from edgeshrink_device.memory.proc import ProcMemory

__all__ = ["TegraMemory"]


@MEMORY.register("tegra")
class TegraMemory(ProcMemory):
    """Memory of a board with one memory for processor and GPU."""

    priority = 20
    shared_with_gpu = True

    def available(self):
        """On a Jetson whose kernel tells this process's peak."""
        return boards.detect() is not None and super().available()

    def largest_free(self):
        """{"blocks", "bytes"}: how many free blocks of the largest size there are, and that size."""
        text = sysroot.read_text(os.path.join(self._system, "buddyinfo"))
        orders = [_counts(line) for line in (text or "").splitlines()]
        totals = [sum(counts) for counts in zip(*(counts for counts in orders if counts))]
        for order in reversed(range(len(totals))):
            if totals[order]:
                return {"blocks": totals[order], "bytes": os.sysconf("SC_PAGE_SIZE") << order}
        return None


def _counts(line):
    """Free blocks by order: the numbers behind "Node 0, zone   Normal"."""
    return [int(word) for word in line.split("zone", 1)[-1].split()[1:] if word.isdigit()]
