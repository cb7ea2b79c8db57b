"""What energy the device draws: one file a source, registered under the name `--power` takes.

Two kinds. A `PowerSource` is a counter: joules since `start`, read at the two ends of a short window. A
`SampledSource` tells watts now and then, averaged over a window of its own: `edgeshrink_device.sampler` polls
it, and energy is the integral of its samples over load phases of many seconds.
"""

from edgeshrink_device import boards
from edgeshrink_device.errors import DeviceError
from edgeshrink_device.registry import Registry, unknown

__all__ = ["SOURCES", "PowerSource", "SampledSource", "choose"]

SOURCES = Registry("power source", __name__)


class PowerSource:
    """A counter of the device's energy.

    Attributes:
        rails: What the counter adds up, by the meter's own names.
        covers: What of the device that is, in words.
        emulated: True when the meter is simulated.
        shortest_window_s: Windows shorter than this say nothing: the counter's own steps are too coarse.
        longest_window_s: Windows longer than this may miss a wrap of the counter.
        automatic: Whether `--power auto` may take it; else it is taken only by name.
        merit: Why `auto` prefers it to those below it, in words.
        jetson_only: Whether it is of use on Jetson boards alone: elsewhere `auto` passes it without a word.
    """

    emulated = False
    rails = ()
    covers = ""
    shortest_window_s = 0.0
    longest_window_s = float("inf")
    automatic = True
    jetson_only = False
    merit = ""

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


class SampledSource(PowerSource):
    """A meter of watts. Who writes one gives `unavailable`, `start`, `read` and `stop`; no thread, no sum.

    One thread calls `read` again and again between `start` and `stop`: every `interval_s` (a little more or
    less, so that polling cannot keep step with inferences), or, where `streaming`, as soon as it returned.
    `stop` is called from another thread; a `read` that blocks at that moment must return or raise soon.

    Which rails are the whole board, `edgeshrink_device.boards.total_rails` knows for every source alike.

    Attributes:
        interval_s: Seconds between readings: what to poll at, or what the stream was asked for.
        streaming: Whether `read` blocks until the meter tells its next value by itself.
        window_s: Seconds each value is the mean of and the meter needs for a new one; None: not known, it is
            then estimated from how often the value changes. Valid after `start`.
        resolution_w: The meter's step at the present voltage, watts; None: not known. Valid after sampling.
    """

    interval_s = 0.1
    streaming = False
    window_s = None
    resolution_w = None

    def read(self):
        """The power of `rails` together now, the meter's latest value and no mean of its own, watts.

        Returns:
            Watts, or None when this reading tells nothing (a line without rails). Never 0 for "unknown".

        Raises:
            DeviceError: The meter is gone for good; sampling ends, with that message as the reason.
        """
        raise NotImplementedError

    def joules(self):
        """None: watts are no counter."""
        return


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
    passed, jetson = [], boards.detect() is not None
    for entry in SOURCES.entries():
        if not entry.automatic or (entry.jetson_only and not jetson):
            continue
        source = entry()
        reason = source.unavailable()
        if reason:
            passed.append("{}: {}".format(entry.name, reason))
            continue
        if entry.name == "none":
            return source, "no power meter ({})".format("; ".join(passed))
        best = "first source that works here"
        return source, "; ".join(["{}: {}".format(best, entry.merit) if entry.merit else best, *passed])
    raise RuntimeError("the power source none is always available")
