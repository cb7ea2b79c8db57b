"""How warm the machine was, and whether it slowed down for it."""

import glob
import os

__all__ = ["Thermal"]


class Thermal:
    """Temperatures and throttling between `__init__` and `read`.

    Args:
        root: Where /sys is.
    """

    def __init__(self, root="/sys"):
        self._root = root
        self._start = self._zones()
        self._throttles = self._throttle_count()

    def read(self):
        """The part of the profile, and the reason when it is null.

        Returns:
            `start` and `end` (degrees Celsius by zone) and `throttled` (null with `throttled_reason` where
            the processor does not count it), or None; and the reason for None.
        """
        if not self._start:
            return None, "no thermal zone can be read in {}/class/thermal".format(self._root)
        count = self._throttle_count()
        known = count is not None and self._throttles is not None
        return {
            "start": self._start,
            "end": self._zones(),
            "throttled": count > self._throttles if known else None,
            "throttled_reason": None if known else "the processor does not count how often it throttles",
        }, None

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

    def _throttle_count(self):
        counts = glob.glob(self._root + "/devices/system/cpu/cpu*/thermal_throttle/*_throttle_count")
        values = [_read(path) for path in counts]
        numbers = [int(value) for value in values if value.isdigit()]
        return sum(numbers) if numbers else None


def _read(path):
    try:
        with open(path) as file:
            return file.read().strip()
    except OSError:
        return ""
