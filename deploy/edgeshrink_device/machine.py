"""What this machine is: hardware, clocks, mode and versions. No serial number, no host name."""

import os
import platform
import sys

from edgeshrink_device import boards, memory, state, sysroot

__all__ = ["board", "facts"]


def facts():
    """The machine as the profile's `device` object; what cannot be read is null."""
    cpus = _cpuinfo(sysroot.path("/proc/cpuinfo"))
    clocks = _clocks(sysroot.path("/sys/devices/system/cpu/cpu0/cpufreq/"))
    found = {
        "name": _name(cpus),
        "kind": "cpu",
        "architecture": platform.machine(),
        "cores_physical": _physical_cores(cpus),
        "cores_logical": os.cpu_count(),
        "cores_usable": _usable_cores(),
        "virtual_machine": any("hypervisor" in cpu.get("flags", "").split() for cpu in cpus) or None,
        "ram_bytes": memory.pick().device_total(),
        "os": _os_name(sysroot.path("/etc/os-release")),
        "kernel": "{} {}".format(platform.system(), platform.release()),
        "governor": clocks["governor"],
        "frequency_mhz": {key: clocks[key] for key in ("current", "min", "max")},
        "clocks_locked": None if clocks["min"] is None else clocks["min"] == clocks["max"],
        "clocks_locked_reason": "the system tells no clock limits" if clocks["min"] is None else None,
        "power_mode": None,
        "power_mode_reason": "a CPU has no power mode of its own",
        "load_average": _load_average(),
        "software": _software(),
        "emulated": sysroot.emulated(),
        "board": None,
    }
    jetson = boards.detect()
    return found if jetson is None else dict(found, **_jetson(jetson, found))


def board():
    """The board's name in the device tree, None where there is none; also from inside a container.

    That of a Jetson always says so: a TX2's device tree calls it "quill", it is then "Jetson TX2 (quill)".
    """
    jetson = boards.detect()
    if jetson is None:
        return sysroot.read_text(sysroot.path("/proc/device-tree/model")) or None
    if "jetson" in (jetson.model or "").lower():
        return jetson.model
    return "{}{}".format(jetson.name or "Jetson", " ({})".format(jetson.model) if jetson.model else "")


def _jetson(jetson, found):
    """What a Jetson tells more, or better, than other machines."""
    mode, clocks = state.power_mode(), state.clocks()
    name = mode.name or (None if mode.number is None else "mode {}".format(mode.number))
    return {
        "board": dict(jetson._asdict()),
        "power_mode": name,
        "power_mode_number": mode.number,
        "power_mode_best": mode.best_name,
        "power_mode_best_number": mode.best_number,
        "power_mode_reason": mode.reason,
        "clocks_locked": clocks["locked"],
        "clocks_locked_reason": clocks["reason"],
        "clocks": {"gpu": clocks["gpu"], "cpu": clocks["cpu"]},
        "fan": state.fan(),
        "software": dict(found["software"], l4t=jetson.l4t, jetpack=jetson.jetpack),
    }


def _cpuinfo(path):
    """One dict a processor."""
    text = _text(path) or ""
    blocks = [block.splitlines() for block in text.strip().split("\n\n")]
    pairs = [[line.split(":", 1) for line in block if ":" in line] for block in blocks]
    return [{key.strip(): value.strip() for key, value in block} for block in pairs]


def _name(cpus):
    """The board from its device tree, else the processor, else what Python knows."""
    processor = next((cpu["model name"] for cpu in cpus if cpu.get("model name")), None)
    return board() or processor or platform.processor() or platform.machine()


def _physical_cores(cpus):
    cores = {(cpu.get("physical id"), cpu["core id"]) for cpu in cpus if "core id" in cpu}
    return len(cores) or None


def _usable_cores():
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count()


def _clocks(folder):
    kilohertz = {
        "current": _text(folder + "scaling_cur_freq"),
        "min": _text(folder + "scaling_min_freq"),
        "max": _text(folder + "scaling_max_freq"),
    }
    clocks = {
        key: int(text) / 1000 if text and text.strip().isdigit() else None for key, text in kilohertz.items()
    }
    governor = _text(folder + "scaling_governor")
    clocks["governor"] = governor.strip() if governor else None
    return clocks


def _os_name(path):
    for line in (_text(path) or "").splitlines():
        if line.startswith("PRETTY_NAME="):
            return line.split("=", 1)[1].strip("\"'")
    return platform.system() or None


def _load_average():
    try:
        return [round(load, 2) for load in os.getloadavg()]
    except (OSError, AttributeError):
        return None


def _software():
    import edgeshrink_device

    numpy = sys.modules.get("numpy")
    return {
        "python": platform.python_version(),
        "numpy": numpy.__version__ if numpy else None,
        "edgeshrink_device": edgeshrink_device.__version__,
    }


def _text(path):
    try:
        with open(path) as file:
            return file.read()
    except (OSError, UnicodeDecodeError):
        return None
