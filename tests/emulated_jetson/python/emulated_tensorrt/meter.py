"""The board's power meter while it computes: EMULATED_LOAD_MW is what the total rail shows then.

The rail is the first of the first INA3221 under EDGESHRINK_SYSROOT, in either layout. What its files say when
the first execution context on the board is made is the idle power; it is kept beside them, since processes
may be killed while they show the load. They show the load from a launch of any process on until none was for
IDLE_S. As with a real one the values scatter, by a step of the Nano's meter, around what they stand for.
"""

import atexit
import os
import random
import threading
import time
from pathlib import Path

IDLE_S = 0.05
STEP_S = 0.004
SCATTER_S = 0.02
SCATTER_MW = (-40, 0, 40)
_state = {"last": -1.0, "thread": None}


def start():
    """From now on the meter follows the load."""
    if os.environ.get("EMULATED_LOAD_MW") and _state["thread"] is None:
        _state["thread"] = threading.Thread(target=follow, args=(Rail(),), daemon=True)
        _state["thread"].start()


def note_load():
    """Something is, or was just, computed."""
    _state["last"] = time.monotonic()


class Rail:
    """The files of the rail."""

    def __init__(self):
        root = Path(os.environ["EDGESHRINK_SYSROOT"]) / "sys/bus/i2c/drivers"
        old = sorted(root.glob("ina3221x/*/iio:device*/in_voltage0_input"))
        new = sorted(root.glob("ina3221/*/hwmon/hwmon*/in1_input"))
        voltage = (old + new)[0]
        self._millivolts = int(voltage.read_text())
        self._current = voltage.with_name("in_current0_input" if old else "curr1_input")
        self._power = voltage.with_name("in_power0_input") if old else None
        self._loaded = voltage.with_name(".loaded_s")
        kept = voltage.with_name(".idle_mw")
        if not kept.exists():
            replace(kept, int(self._current.read_text()) * self._millivolts / 1000)
        self.idle_mw = float(kept.read_text())

    def note_load(self, now):
        """Let other processes know that this one computes."""
        replace(self._loaded, now)

    def is_loaded(self, now):
        """Whether another process computes: the clock is the same in all."""
        try:
            return now - float(self._loaded.read_text()) < IDLE_S + 2 * SCATTER_S
        except (OSError, ValueError):
            return False

    def show(self, power_mw):
        milliamperes = round(1000 * power_mw / self._millivolts)
        replace(self._current, milliamperes)
        if self._power:
            replace(self._power, milliamperes * self._millivolts // 1000)


def follow(rail):
    """Keep the rail at what the last launch says, for as long as the process lives."""
    load_mw, scatter = float(os.environ["EMULATED_LOAD_MW"]), random.Random(0)
    atexit.register(rail.show, rail.idle_mw)
    shown, due = None, 0.0
    while True:
        now = time.monotonic()
        loaded = now - _state["last"] < IDLE_S
        wanted = load_mw if loaded else rail.idle_mw
        if wanted != shown or now > due:
            if loaded:
                rail.note_load(now)
            if loaded or shown == load_mw or not rail.is_loaded(now):
                rail.show(wanted + scatter.choice(SCATTER_MW))
            shown, due = wanted, now + SCATTER_S
        time.sleep(STEP_S)


def replace(file, number):
    """Write a file at once, so that nobody reads half of one."""
    fresh = file.with_name(f".{file.name}.{os.getpid()}")
    fresh.write_text(f"{number}\n")
    fresh.replace(file)
