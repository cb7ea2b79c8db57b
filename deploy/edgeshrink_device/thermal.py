"""How warm the machine was, and whether it slowed down for it.

Three things tell: the counters of x86 processors, the cooling devices of a Jetson (their state is 0 while
they limit nothing), and the over-current events its chip counts (hwmon soctherm_oc, oc1 to oc3, from L4T 35
on). Counters are read at both ends. A cooling device goes up and down as the zone crosses its trip point: it
is looked at all the while, by a thread.
"""

import glob
import os
import threading

from edgeshrink_device import boards, sysroot

__all__ = ["Thermal", "ThermalWatch"]

EVERY_S = 0.25
LIMIT_NOTHING = ("fan", "hot-surface")  # an Orin's hot-surface-alert warns of a warm case from 70 C on


class Thermal:
    """Temperatures and throttling between `__init__` and `read`.

    Args:
        root: Where /sys is; that of this machine unless given.
        board: The Jetson `edgeshrink_device.boards.Board` this is; asked for unless given.
    """

    def __init__(self, root=None, board=None):
        self._root = sysroot.path("/sys") if root is None else root
        self._board = board or boards.detect()
        self._start = self._zones()
        self._throttles = self._throttle_count()
        self._events = self._over_current()
        self._coolers = [] if self._board is None else self._find_coolers()
        self._limiting, self._told = set(), False
        self.look()

    def look(self):
        """Note which cooling devices limit something now: what ends before `read` would be missed."""
        for name, path in self._coolers:
            state = _read(path)
            if state.isdigit():
                self._told = True
                if int(state) > 0:
                    self._limiting.add(name)

    def read(self):
        """The part of the profile, and the reason when it is null.

        Returns:
            `start` and `end` (degrees Celsius by zone), `throttled` (null with `throttled_reason` where
            nothing tells), `limited_by` (cooling devices that limited something) and `over_current_events`
            (null where they are not counted), or None; and the reason for None.
        """
        if not self._start:
            return None, "no thermal zone can be read in {}/class/thermal".format(self._root)
        self.look()
        throttled = self._throttled()
        return {
            "start": self._start,
            "end": self._zones(),
            "throttled": throttled,
            "throttled_reason": None
            if throttled is not None
            else "the processor does not count how often it throttles",
            "limited_by": sorted(self._limiting),
            "over_current_events": self._new_events(),
        }, None

    def _throttled(self):
        count, events = self._throttle_count(), self._new_events()
        signs = [count > self._throttles if None not in (count, self._throttles) else None]
        signs.append(bool(self._limiting) if self._told else None)
        signs.append(events > 0 if events is not None else None)
        known = [sign for sign in signs if sign is not None]
        return any(known) if known else None

    def _new_events(self):
        events = self._over_current()
        return None if None in (events, self._events) else events - self._events

    def _zones(self):
        zones = {}
        for folder in sorted(glob.glob(self._root + "/class/thermal/thermal_zone*")):
            name, value = _read(folder + "/type"), _read(folder + "/temp")
            try:
                celsius = int(value) / 1000
            except ValueError:
                continue
            if -50 < celsius < 150 and not name.startswith("PMIC"):  # -256: zone off; PMIC: a constant
                zones[name if name not in zones else os.path.basename(folder)] = celsius
        return zones

    def _find_coolers(self):
        """(name, path of its state) of what can limit clocks."""
        folders = glob.glob(self._root + "/class/thermal/cooling_device*")
        named = [(_read(folder + "/type"), folder + "/cur_state") for folder in folders]
        return [each for each in named if not any(word in each[0].lower() for word in LIMIT_NOTHING)]

    def _throttle_count(self):
        return _sum(self._root + "/devices/system/cpu/cpu*/thermal_throttle/*_throttle_count")

    def _over_current(self):
        return _sum(self._root + "/class/hwmon/hwmon*/oc*_event_cnt")


class ThermalWatch:
    """Looks at a `Thermal` four times a second within the `with` block, in a thread of its own.

    A look reads one small file a cooling device. What limits only between two looks is missed.
    """

    def __init__(self, thermal):
        self._thermal, self._over = thermal, threading.Event()
        self._thread = threading.Thread(target=self._run, name="thermal watch")
        self._thread.daemon = True

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._over.set()
        self._thread.join()

    def _run(self):
        while not self._over.wait(EVERY_S):
            self._thermal.look()


def _sum(pattern):
    """The sum of the counters in all files of that name; None where there is none."""
    values = [_read(path) for path in glob.glob(pattern)]
    numbers = [int(value) for value in values if value.isdigit()]
    return sum(numbers) if numbers else None


def _read(path):
    return sysroot.read_text(path) or ""
