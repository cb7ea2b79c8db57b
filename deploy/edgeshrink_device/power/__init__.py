"""What energy the device draws: one file a source, registered under the name `--power` takes.

A source is a counter: joules since `start`. A meter that gives watts integrates them itself, so that whoever
measures only reads the counter at the two ends of a window.
"""

from edgeshrink_device.errors import DeviceError
from edgeshrink_device.registry import Registry, unknown

__all__ = ["SOURCES", "PowerSource", "choose"]

SOURCES = Registry("power source", __name__)


class PowerSource:
    """A counter of the device's energy.

    Attributes:
        rails: What the counter adds up, by the meter's own names.
        covers: What of the device that is, in words.
        emulated: True when the meter is simulated.
        shortest_window_s: Windows shorter than this say nothing: the counter's own steps are too coarse.
        longest_window_s: Windows longer than this may miss a wrap of the counter.
    """

    emulated = False
    rails = ()
    covers = ""
    shortest_window_s = 0.0
    longest_window_s = float("inf")

    def unavailable(self):
        """Why this source cannot be read here; empty when it can."""
        raise NotImplementedError

    def start(self):
        """Open the meter and set the counter to zero."""

    def joules(self):
        """Joules since `start`; None when nothing is measured."""
        raise NotImplementedError

    def stop(self):
        """Close the meter."""


def choose(name):
    """The power source for `--power NAME`, and why it was taken.

    Args:
        name: A registered name, or "auto" for the first that works here.

    Returns:
        The source and the reason in words: for `none`, why no energy is measured.

    Raises:
        InputError: There is no source of that name.
        DeviceError: The source asked for does not work here.
    """
    if name == "auto":
        return _first_available()
    if name not in SOURCES.names():
        raise unknown("power source", name, ["auto", *SOURCES.names()])
    source = SOURCES.get(name)()
    reason = source.unavailable()
    if reason:
        raise DeviceError(
            "power source '{}' cannot be used here: {}".format(name, reason),
            "Leave --power out to measure without it.",
        )
    return source, "turned off by --power none" if name == "none" else "asked for by --power {}".format(name)


def _first_available():
    passed = []
    for entry in SOURCES.entries():
        source = entry()
        reason = source.unavailable()
        if reason:
            passed.append("{}: {}".format(entry.name, reason))
            continue
        if entry.name == "none":
            return source, "no power meter ({})".format("; ".join(passed))
        return source, "; ".join(["first source that works here", *passed])
    raise RuntimeError("the power source none is always available")
