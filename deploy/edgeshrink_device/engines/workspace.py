"""How much scratch memory the builder gets, on boards whose 2 to 64 GB serve processor and GPU alike.

limit = (memory available - 3 x size of the model) / 2, at least 16 MiB and at most 4 GiB

Three times the model: the parsed network, the engine, and a copy while it is serialized. Half of the rest:
the builder's own code, CUDA and the buffers of the layers it times need the other half. 16 MiB is what
trtexec 8.2 takes when it is told nothing; more than 4 GiB brings no faster tactic to networks that fit a
board. "Available" is MemAvailable of /proc/meminfo.
"""

from collections import namedtuple

from edgeshrink_device import sysroot
from edgeshrink_device.memory.proc import read_kilobytes

__all__ = ["MAKE_SWAP", "Workspace", "fit"]

Workspace = namedtuple("Workspace", ["mib", "asked", "available_bytes", "warnings"])
Workspace.__doc__ = """The limit in MiB, whether it was asked for, the bytes available when it was set (None:
not known), and warnings."""

FRACTION = 0.5
COPIES = 3
LEAST_MIB, MOST_MIB, UNKNOWN_MIB = 16, 4096, 256
LITTLE = 1 << 30
MAKE_SWAP = (
    "sudo fallocate -l 4G /swapfile; sudo chmod 600 /swapfile; sudo mkswap /swapfile; sudo swapon /swapfile"
)
SWAPPED = 64 << 20


def fit(model_bytes, asked_mib=None):
    """The `Workspace` for a model.

    Args:
        model_bytes: Size of its file and of those that hold its weights.
        asked_mib: The limit the user gave, MiB, or None.
    """
    meminfo = sysroot.path("/proc/meminfo")
    available = read_kilobytes(meminfo, "MemAvailable")
    if asked_mib is not None:
        mib = asked_mib
    elif available is None:
        mib = UNKNOWN_MIB
    else:
        free = max(0, available - COPIES * model_bytes)
        mib = max(LEAST_MIB, min(MOST_MIB, int(free * FRACTION) >> 20))
    return Workspace(mib, asked_mib is not None, available, _warnings(meminfo, available, mib))


def _warnings(meminfo, available, mib):
    """In the past tense: they are kept with the engine, and true as long as it is."""
    told = []
    if available is not None and available < LITTLE:
        told.append(
            "when it was built, only {} MB of memory were available: fast tactics may have been left out;"
            " close what runs, the desktop too (sudo systemctl isolate multi-user.target), and build it"
            " again with --force".format(available >> 20)
        )
    if available is not None and mib << 20 > available:
        told.append("the workspace of {} MiB was more than the memory available".format(mib))
    total, free = (read_kilobytes(meminfo, key) for key in ("SwapTotal", "SwapFree"))
    if total is not None and free is not None and total - free > SWAPPED:
        told.append(
            "when it was built, {} MB lay in swap: tactics were timed while memory was swapped, and the wrong"
            " ones may have won".format((total - free) >> 20)
        )
    if available is not None and available < LITTLE and _swaps_to_zram():
        told.append(
            "when it was built, all swap was zram, which is memory itself: for a build, swap to a file"
            " ({})".format(MAKE_SWAP)
        )
    return told


def _swaps_to_zram():
    lines = (sysroot.read_text(sysroot.path("/proc/swaps")) or "").splitlines()[1:]
    return bool(lines) and all("zram" in line.split()[0] for line in lines if line.strip())
