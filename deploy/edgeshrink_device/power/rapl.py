"""`rapl`: the energy counters of Intel and AMD processors, from /sys/class/powercap.

Total = every package + the memory beside it (dram). `core` and `uncore` are parts of their package, `psys`
holds the packages again and intel-rapl-mmio repeats them: none of these is added.
"""

import os

from edgeshrink_device import sysroot
from edgeshrink_device.power import SOURCES, PowerSource

__all__ = ["Rapl"]

MOST_WATTS = 1000.0  # no package draws more: a counter cannot have wrapped unseen in range / 1000 W


@SOURCES.register("rapl")
class Rapl(PowerSource):
    """The processor's own energy counters.

    Args:
        root: The powercap folder; that of this machine unless given.
    """

    priority = 10
    merit = "the processor's own energy counters"
    covers = "processor packages with their idle power and, where counted, their memory; nothing else"
    shortest_window_s = 0.02  # the counter moves about every 1 ms: 5% of a window at worst

    def __init__(self, root=None):
        self._root = root = root or sysroot.path("/sys/class/powercap")
        self._domains = _domains(root)
        self.rails = tuple(domain.name for domain in self._domains)

    def unavailable(self):
        """Why the counters cannot be read; empty when they can."""
        if not self._domains:
            return "no intel-rapl package in {}".format(self._root)
        for domain in self._domains:
            try:
                domain.read()
            except (OSError, ValueError) as error:
                return "{} is not readable ({})".format(
                    domain.path, getattr(error, "strerror", None) or error
                )
        return ""

    def start(self):
        """Set every domain's sum to zero."""
        for domain in self._domains:
            domain.start()
        self.longest_window_s = min(domain.range_j for domain in self._domains) / MOST_WATTS

    def joules(self):
        """Joules of all domains since `start`, wraps undone."""
        return sum(domain.advance() for domain in self._domains)


class _Domain:
    """One counter: microjoules from 0 to its range, then from 0 again."""

    def __init__(self, folder, name):
        self.path = os.path.join(folder, "energy_uj")
        self.name = name
        self.range_j = _number(os.path.join(folder, "max_energy_range_uj"), default=2**32) / 1e6

    def read(self):
        with open(self.path) as file:
            return int(file.read()) / 1e6

    def start(self):
        self._last = self.read()
        self._sum = 0.0

    def advance(self):
        now = self.read()
        self._sum += now - self._last + (self.range_j if now < self._last else 0.0)
        self._last = now
        return self._sum


def _domains(root):
    try:
        folders = sorted(name for name in os.listdir(root) if name.startswith("intel-rapl:"))
    except OSError:
        return []
    domains = []
    for folder in folders:
        path = os.path.join(root, folder)
        name = _text(os.path.join(path, "name"))
        if name.startswith("package"):
            domains.append(_Domain(path, name))
        elif name == "dram":
            package = _text(os.path.join(root, folder.rsplit(":", 1)[0], "name"))
            domains.append(_Domain(path, "{} dram".format(package)))
    return domains


def _text(path):
    try:
        with open(path) as file:
            return file.read().strip()
    except OSError:
        return ""


def _number(path, default):
    text = _text(path)
    return int(text) if text.isdigit() else default
