"""The machine itself: board, container, meters, power mode, memory and disk."""

import glob
import os

from edgeshrink_device import machine, power, state, sysroot
from edgeshrink_device.doctor.check import MISSING, OK, UNNEEDED, WARNING
from edgeshrink_device.engines.workspace import LITTLE, MAKE_SWAP, SWAPPED
from edgeshrink_device.memory.proc import read_kilobytes
from edgeshrink_device.tegrastats.process import find

__all__ = ["board", "clocks", "container", "container_mend", "disk", "memory", "power_mode", "power_source"]
__all__ += ["swap", "tegrastats"]

LIBRARIES = "/usr/lib/aarch64-linux-gnu/"
DRIVERS = (LIBRARIES + "tegra/libcuda.so*", LIBRARIES + "nvidia/libcuda.so*")
RUNTIME = "docker run --runtime nvidia ..."
ALL_MOUNTS = "docker run --runtime nvidia -e NVIDIA_REQUIRE_JETPACK=csv-mounts=all ..."
SMALL = 5 << 30  # boards of 2 and 4 GB, where building may need swap
LITTLE_DISK, NO_DISK = 500 << 20, 32 << 20
NO_MEMINFO = "the system does not tell"


def board(context):
    """Which Jetson this is, and its L4T and JetPack."""
    found = context.board
    if found is None:
        return UNNEEDED, "no Jetson: {}".format(machine.facts()["name"]), ""
    name = found.name or "'{}'".format(found.model or "not named")
    parts = ["{} ({})".format(name, found.module) if found.module else name]
    if found.l4t is None:
        return (
            WARNING,
            "{}; its L4T release is not known".format(parts[0]),
            _mount(context, "/etc/nv_tegra_release"),
        )
    parts.append("L4T " + found.l4t)
    parts.append("JetPack " + found.jetpack if found.jetpack else "a JetPack not known here")
    if found.name is None:
        return WARNING, "{}: which rail is its total is not known".format(", ".join(parts)), ""
    return OK, ", ".join(parts), ""


def container(context):
    """Whether this is one, and whether the board's own files are in it."""
    if not context.in_container:
        return OK, "this is none", ""
    if context.board is None:
        return OK, "this is one", ""
    mend = container_mend(context)
    if not mend:
        return OK, "this is one; the board's driver and TensorRT are in it", ""
    if not _there(*DRIVERS):
        return WARNING, "this is one, and the board's driver is not in it", mend
    if mend == ALL_MOUNTS:
        found = (
            "this is one, and only the base files of the host are mounted: with L4T 32 TensorRT and CUDA come"
            " from the host, and nvidia-container-toolkit 1.9 and later leaves them out unless told"
        )
        return WARNING, found, mend
    return WARNING, "this is one, and its image has no TensorRT: take an L4T one with it (l4t-jetpack)", mend


def container_mend(context):
    """How to start this container so that driver and TensorRT are in it; empty outside and where they are.

    NVIDIA/nvidia-container-runtime issue 173: from libnvidia-container 0.11.0+jetpack on only l4t.csv,
    devices.csv and drivers.csv are processed unless csv-mounts=all is asked for.
    """
    if not context.in_container or context.board is None:
        return ""
    if not _there(*DRIVERS):
        return RUNTIME
    if _there(LIBRARIES + "libnvinfer.so.*"):
        return ""
    old = context.l4t_major is not None and context.l4t_major < 34
    return ALL_MOUNTS if old else "docker run --runtime nvidia ... IMAGE"


def _mount(context, path):
    """How a file of the board comes into its container; empty outside of one."""
    return "docker run -v {0}:{0}:ro ...".format(path) if context.in_container else ""


def _there(*patterns):
    return any(glob.glob(sysroot.path(pattern)) for pattern in patterns)


def power_source(context):
    """Which meter measures energy, which rails, and why this one."""
    source, reason = power.choose("auto")
    context.emulated = context.emulated or source.emulated
    if source.name == "none":
        mend = "run it as root: sudo -E python3 ..." if "denied" in reason or "try sudo" in reason else ""
        return WARNING, "no energy: {}".format(reason), mend
    context.can["power"] = True
    rails = " + ".join(source.rails)
    return OK, "{}: {}, {} ({})".format(source.name, rails, source.covers, reason), ""


def tegrastats(context):
    """NVIDIA's status program: the second meter, and what `tegrastats` reads."""
    path = find()
    if path is not None:
        return OK, path, ""
    if context.board is None:
        return UNNEEDED, "not found", ""
    mend = "sudo apt-get install --reinstall nvidia-l4t-tools"
    if context.in_container:
        mend = "docker run --privileged -v /usr/bin/tegrastats:/usr/bin/tegrastats ..."
    return WARNING, "not found in /usr/bin, the home folder or PATH", mend


def power_mode(context):
    """Whether the highest mode of nvpmodel is set."""
    if context.board is None:
        return UNNEEDED, "a CPU has no power mode of its own", ""
    mode = state.power_mode()
    if mode.reason:
        return WARNING, mode.reason, _mount(context, state.STATUS)
    advice = state.advice(mode, None)
    if advice:
        return (WARNING, *_split(advice[0]))
    text = "{} ({})".format(mode.number, mode.name or "unnamed")
    if mode.best_number is None:
        return WARNING, "{}; {} does not tell which is the highest".format(text, state.CONFIGURATION), ""
    return OK, text, ""


def clocks(context):
    """Whether they are locked."""
    if context.board is None:
        return UNNEEDED, "jetson_clocks is for Jetsons", ""
    mode, now = state.power_mode(), state.clocks()
    if now["locked"] is None:
        return WARNING, now["reason"], ""
    ranges = "; ".join(_range(name, now[key]) for name, key in (("GPU", "gpu"), ("CPU", "cpu")) if now[key])
    advice = state.advice(mode, now["locked"])[len(state.advice(mode, None)) :]
    if advice:
        text, mend = _split(advice[0])
        return WARNING, "{}; {}".format(text, ranges), mend
    return OK, "locked ({})".format(ranges), ""


def _range(name, clock):
    if clock["min_mhz"] == clock["max_mhz"]:
        return "{} {:g} MHz".format(name, clock["max_mhz"])
    return "{} {:g} to {:g} MHz".format(name, clock["min_mhz"], clock["max_mhz"])


def _split(sentence):
    """A piece of advice as what is so and the command that changes it, without what is said beside it."""
    text, _, command = sentence.partition(": sudo ")
    command, _, aside = command.partition(" (")
    return text + (" (" + aside if aside else ""), "sudo " + command if command else ""


def memory(context):
    """How much is available; processor and GPU share it on a Jetson."""
    total, available = _meminfo("MemTotal"), _meminfo("MemAvailable")
    if None in (total, available):
        return WARNING, NO_MEMINFO, ""
    found = "{} of {} MB available".format(available >> 20, total >> 20)
    if context.board is not None and available < LITTLE:
        found += ": the builder may be killed, and leave fast tactics out; the desktop takes much of it"
        return WARNING, found, "sudo systemctl isolate multi-user.target"
    return OK, found, ""


def swap(context):
    """Whether there is some where it may be needed, and whether it is used."""
    total, free = _meminfo("SwapTotal"), _meminfo("SwapFree")
    if None in (total, free):
        return WARNING, NO_MEMINFO, ""
    ram = _meminfo("MemTotal")
    if context.board is not None and not total and ram is not None and ram < SMALL:
        return WARNING, "none: on a board of {} MB the builder may be killed".format(ram >> 20), MAKE_SWAP
    found = "{} of {} MB used".format((total - free) >> 20, total >> 20) if total else "none"
    if context.board is not None and total - free > SWAPPED:
        return (
            WARNING,
            found + ": what is timed while memory is swapped is slow",
            "sudo swapoff -a; sudo swapon -a",
        )
    return OK, found, ""


def disk(context):
    """Room in the folder this was called in, where engines and profiles go."""
    folder = os.getcwd()
    room = os.statvfs(folder)
    free = room.f_bavail * room.f_frsize
    found = "{} MB free in {}".format(free >> 20, folder)
    if not os.access(folder, os.W_OK):
        return WARNING, "{} cannot be written to".format(folder), "build --engines DIR, profile -o DIR"
    if free < LITTLE_DISK:
        status = MISSING if free < NO_DISK else WARNING
        return status, found + ": an engine may not fit", "sudo apt-get clean"
    return OK, found, ""


def _meminfo(key):
    return read_kilobytes(sysroot.path("/proc/meminfo"), key)
