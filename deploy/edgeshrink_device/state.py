"""In what state a Jetson is: power mode, clocks, fan; and which command to run where that costs speed.

Nothing here needs root. Sources: NVIDIA's developer guide, "Platform power and performance" (nvpmodel,
jetson_clocks, devfreq, fan), and kernel.org Documentation/ABI (devfreq, cpufreq).
"""

import glob
import os
import re
import shutil
import subprocess
from collections import namedtuple

from edgeshrink_device import sysroot

__all__ = ["PowerMode", "advice", "changes", "clocks", "fan", "power_mode"]

PowerMode = namedtuple("PowerMode", ["number", "name", "best_number", "best_name", "reason"])
PowerMode.__doc__ = """The mode nvpmodel set: its number and name, those of the mode with the highest limits
(None: not known), and why nothing is known (None where it is). Mode 0 is not always the highest: an Orin
Nano Super has 15W = 0, 25W = 1, MAXN_SUPER = 2, 7W = 3."""

STATUS = "/var/lib/nvpmodel/status"  # "pmode:0000", written by nvpmodel
CONFIGURATION = "/etc/nvpmodel.conf"
MODE = re.compile(r"^\s*<\s*POWER_MODEL\s+ID=(\d+)\s+NAME=([^\s>]+)", re.MULTILINE)
QUERY_S = 5.0
GPUS = ("gpu", "gp10b", "gv11b", "ga10b")  # in the names of devfreq devices


def power_mode():
    """The `PowerMode` of this board."""
    listed = MODE.findall(sysroot.read_text(sysroot.path(CONFIGURATION)) or "")
    names = {int(number): name for number, name in listed}
    number, name = _mode_set()
    if number is None and name is None:
        reason = "neither {} nor `nvpmodel -q` tells it; in a container, mount the file".format(STATUS)
        return PowerMode(None, None, None, None, reason)
    if number is None:
        number = next((key for key in sorted(names) if names[key] == name), None)
    best = max(names, key=lambda key: (_limits(names[key]), -key)) if names else None
    return PowerMode(number, name or names.get(number), best, names.get(best), None)


def clocks():
    """Limits of the clocks.

    Returns:
        `locked` (False as soon as one of them is loose, None unless those of both GPU and processor are
        told), `reason` (why it is None, else None), and `gpu` and `cpu`, each {"min_mhz", "max_mhz",
        "current_mhz"} or None; for the processor those of its fastest core.
    """
    gpu, cpus = _gpu(), _cpus()
    loose = any(clock["min_mhz"] != clock["max_mhz"] for clock in [gpu, *cpus] if clock)
    untold = [name for name, clock in (("GPU", gpu), ("CPU", cpus)) if not clock]
    unknown = bool(untold) and not loose
    return {
        "locked": None if unknown else not loose,
        "reason": "the system tells no clock limits of the {}".format(" and the ".join(untold))
        if unknown
        else None,
        "gpu": gpu,
        "cpu": max(cpus, key=lambda clock: clock["max_mhz"]) if cpus else None,
    }


def fan():
    """How fast the fan is told to turn: {"percent", "rpm"} (rpm None where it is not counted); None without.

    L4T 32 has /sys/devices/pwm-fan; later ones hwmon devices pwmfan (pwm1) and pwm_tach (rpm or fan1_input).
    """
    old = sysroot.path("/sys/devices/pwm-fan")
    pwm = sysroot.read_number(os.path.join(old, "cur_pwm"))
    rpm = sysroot.read_number(os.path.join(old, "rpm_measured"))
    for folder in sorted(glob.glob(sysroot.path("/sys/class/hwmon/hwmon*"))):
        name = sysroot.read_text(os.path.join(folder, "name"))
        if name == "pwmfan" and pwm is None:
            pwm = sysroot.read_number(os.path.join(folder, "pwm1"))
        elif name == "pwm_tach" and rpm is None:
            rpm = _first(sysroot.read_number(os.path.join(folder, file)) for file in ("rpm", "fan1_input"))
    return None if pwm is None else {"percent": round(100 * pwm / 255.0), "rpm": rpm}


def changes(before, after):
    """What was set otherwise while it was measured: the figures are then of two boards.

    Args:
        before: What `machine.facts` told at the start.
        after: What it told at the end.

    Returns:
        Sentences; none for what did not change or was not told at both ends.
    """
    modes = [(facts.get("power_mode_number"), facts["power_mode"]) for facts in (before, after)]
    locked = [facts["clocks_locked"] for facts in (before, after)]
    told = []
    if modes[0] != modes[1] and (None, None) not in modes:
        words = ["{} ({})".format("unnumbered" if number is None else number, name) for number, name in modes]
        told.append("the power mode changed while it was measured, from {} to {}".format(*words))
    if locked[0] != locked[1] and None not in locked:
        words = ["locked" if each else "not locked" for each in locked]
        told.append("the clocks were {} when measuring began and {} when it ended".format(*words))
    return ["{}: the figures are a mix of both".format(sentence) for sentence in told]


def advice(mode, locked, thermal=None, fan_state=None):
    """What keeps this board from its full or steady speed, each with the command that changes it.

    Args:
        mode: A `PowerMode`.
        locked: Whether the clocks are locked, None where not known.
        thermal: The profile's `thermal`, or None.
        fan_state: What `fan` gave, or None.

    Returns:
        Sentences; none for what is already as it should be.
    """
    told = []
    slow = None not in (mode.number, mode.best_number) and mode.number != mode.best_number
    if slow:
        told.append(
            "the power mode is {} ({}), not {}: sudo nvpmodel -m {}".format(
                mode.number, mode.name or "unnamed", mode.best_name, mode.best_number
            )
        )
    if locked is False or (slow and locked):
        again = " (again after the power mode is changed)" if slow else ""
        what = "the clocks follow the load" if not locked else "the clocks are locked for this mode"
        told.append("{}: sudo jetson_clocks{}".format(what, again))
    if thermal and thermal.get("throttled"):
        told.append(_throttled(thermal, fan_state))
    return told


def _throttled(thermal, fan_state):
    by = ", ".join(thermal.get("limited_by") or []) or "over-current"
    text = "the board slowed itself down while it was measured ({}): its figures are those of a slowed board"
    if fan_state and fan_state["percent"] < 100:
        text += "; sudo jetson_clocks --fan"
    elif thermal.get("over_current_events"):
        text += "; its power supply may be too weak"
    else:
        text += "; let it cool down, or give it a fan"
    return text.format(by)


def _mode_set():
    """Number and name of the mode; each None where it is not told."""
    found = re.search(r"pmode:(\d+)", sysroot.read_text(sysroot.path(STATUS)) or "")
    if found:
        return int(found.group(1)), None
    if sysroot.emulated():  # this machine's nvpmodel knows nothing of a stand-in
        return None, None
    answer = _query()
    name = re.search(r"Power Mode:\s*(\S+)", answer)
    number = re.search(r"^\s*(\d+)\s*$", answer, re.MULTILINE)
    return int(number.group(1)) if number else None, name.group(1) if name else None


def _query():
    """What `nvpmodel -q` says ("NV Power Mode: MAXN", then its number)."""
    program = shutil.which("nvpmodel") or shutil.which("nvpmodel", path="/usr/sbin")
    if program is None:
        return ""
    try:
        done = subprocess.run(
            [program, "-q"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=QUERY_S, check=False
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.decode("utf-8", "replace")


def _limits(name):
    """What sorts modes by their limits: MAXN has none, then watts, then cores ("MODE_15W_6CORE")."""
    watts, cores = re.search(r"(\d+)W", name), re.search(r"(\d+)CORE", name)
    return ("MAXN" in name, int(watts.group(1)) if watts else 0, int(cores.group(1)) if cores else 0)


def _gpu():
    for folder in sorted(glob.glob(sysroot.path("/sys/class/devfreq/*"))):
        if any(word in os.path.basename(folder) for word in GPUS):
            return _limits_of(folder, ("min_freq", "max_freq", "cur_freq"), 1e6)
    return None


def _cpus():
    names = ("scaling_min_freq", "scaling_max_freq", "scaling_cur_freq")
    folders = sorted(glob.glob(sysroot.path("/sys/devices/system/cpu/cpu[0-9]*/cpufreq")))
    return [clock for clock in (_limits_of(folder, names, 1e3) for folder in folders) if clock]


def _limits_of(folder, names, per_mhz):
    low, high, now = (sysroot.read_number(os.path.join(folder, name)) for name in names)
    if low is None or high is None:
        return None
    return {
        "min_mhz": low / per_mhz,
        "max_mhz": high / per_mhz,
        "current_mhz": None if now is None else now / per_mhz,
    }


def _first(values):
    return next((value for value in values if value is not None), None)
