"""The board's power meter while it computes: EMULATED_LOAD_MW is what the total rail shows then.

The rail is the first of the first INA3221 under EDGESHRINK_SYSROOT, in either layout; what its files say at
first is the idle power. They show the load from the first launch on until none was for IDLE_S.
"""

import atexit
import os
import threading
import time
from pathlib import Path

IDLE_S = 0.03
STEP_S = 0.003
_state = {"last": 0.0, "thread": None}


def note_load():
    """Something was just computed."""
    if not os.environ.get("EMULATED_LOAD_MW"):
        return
    _state["last"] = time.monotonic()
    if _state["thread"] is None:
        _state["thread"] = threading.Thread(target=follow, args=(find_rail(),), daemon=True)
        _state["thread"].start()


def find_rail():
    """{file: text when idle} and {file: text under load} of the rail."""
    root = Path(os.environ["EDGESHRINK_SYSROOT"]) / "sys/bus/i2c/drivers"
    load_mw = float(os.environ["EMULATED_LOAD_MW"])
    old = sorted(root.glob("ina3221x/*/iio:device*/in_voltage0_input"))
    new = sorted(root.glob("ina3221/*/hwmon/hwmon*/in1_input"))
    volts = (old + new)[0]
    current = volts.with_name("in_current0_input" if old else "curr1_input")
    load_ma = round(1000 * load_mw / int(volts.read_text()))
    loaded = {current: str(load_ma)}
    if old:
        loaded[volts.with_name("in_power0_input")] = str(load_ma * int(volts.read_text()) // 1000)
    return {file: file.read_text() for file in loaded}, loaded


def follow(rail):
    """Keep the files at what the last launch says, for as long as the process lives."""
    idle, loaded = rail
    atexit.register(write, idle)
    shown = None
    while True:
        wanted = loaded if time.monotonic() - _state["last"] < IDLE_S else idle
        if wanted is not shown:
            write(wanted)
            shown = wanted
        time.sleep(STEP_S)


def write(texts):
    """Replace the files at once, so that nobody reads half of one."""
    for file, text in texts.items():
        fresh = file.with_name(f".{file.name}.{os.getpid()}")
        fresh.write_text(text)
        fresh.replace(file)
