"""Long loads, for meters that sample: idle, model A, idle, model B, idle."""

import math
import time
from collections import namedtuple

from edgeshrink_device.errors import InputError
from edgeshrink_device.power import SampledSource

__all__ = [
    "SHORTEST_LOAD_S",
    "UNKNOWN_WINDOW_S",
    "Loads",
    "Pace",
    "Turn",
    "measure_loads",
    "needed_s",
    "pace_of",
    "plan_loads",
    "require_long_enough",
]

SHORTEST_LOAD_S = 10.0
LOADS = 2
SETTLE_S = 1.0  # clocks and supplies need it after a load begins or ends
STRETCH_S = 1.0
IDLE_STRETCH_S = 0.5
STRETCHES = 5  # of each load, unless told otherwise
SPARE = 1.1  # the next time the meter may be a little slower
IDLE_S = 3.0  # of settled idle power on either side
UNKNOWN_WINDOW_S = 1.0  # taken where neither the driver nor the values tell

Turn = namedtuple("Turn", ["launch", "before", "load", "after", "marks"])
Turn.__doc__ = """One load of one model: the launch's number; (start, end) of the idle stretch before it, of
itself and of the idle stretch after it, seconds of the sampler's clock; marks: (time, inferences since the
start of the load), increasing."""

Pace = namedtuple("Pace", ["lead_s", "tail_s", "stretch_s", "idle_stretch_s"])
Pace.__doc__ = """What of a phase is left out at its start and its end, and how long stretches of loads and
of idle phases are that say something on their own, seconds."""


def pace_of(window_s, interval_s):
    """The `Pace` for a meter.

    A sample lags by one window and averages over one; the integral up to an edge uses the sample beyond it,
    up to 1.25 intervals away. Stretches of four intervals share little through the samples at their edges.

    Args:
        window_s: What the meter averages over, s; None where not known.
        interval_s: Seconds between readings.
    """
    window_s = UNKNOWN_WINDOW_S if window_s is None else window_s
    margin = window_s + 1.5 * interval_s
    apart = max(2 * window_s, 4 * interval_s)
    return Pace(max(SETTLE_S, margin), margin, max(STRETCH_S, apart), max(IDLE_STRETCH_S, apart))


class Loads:
    """What loads a call runs.

    Attributes:
        seconds: How long each load lasts, s.
        idle_s: How long each idle stretch lasts, s.
        launches: Numbers of the launches with a load of every model; empty where none is run.
    """

    def __init__(self, seconds=0.0, idle_s=0.0, launches=()):
        self.seconds, self.idle_s, self.launches = seconds, idle_s, tuple(launches)


def needed_s(pace):
    """A `--load-seconds` whose loads hold the stretches that a `Pace` needs, whole seconds."""
    one = math.ceil(SPARE * max(SHORTEST_LOAD_S, _load_s(pace, 1)))
    if _count(one) == 1:
        return one
    return math.ceil(SPARE * max(LOADS * SHORTEST_LOAD_S, _load_s(pace, LOADS)))


def _load_s(pace, count):
    """How long so many loads last in all."""
    return count * (pace.lead_s + math.ceil(STRETCHES / count) * pace.stretch_s + pace.tail_s)


def require_long_enough(source, seconds):
    """Let loads pass that a source can measure energy in.

    Args:
        source: The power source; started, it may tell its window, which then is held against `seconds`, too.
        seconds: Load of each model in all, s; None and 0 pass.

    Raises:
        InputError: They are shorter than any load, or than what this source's window needs.
    """
    if not isinstance(source, SampledSource) or not seconds:
        return
    needed = SHORTEST_LOAD_S
    if source.window_s is not None:
        needed = max(needed, _load_s(pace_of(source.window_s, source.interval_s), _count(seconds)))
    if seconds < needed:
        raise InputError(
            "loads of {:g} s are too short to measure energy with {}".format(seconds, source.name),
            "Give --load-seconds {:.0f} or more, or 0 for no energy.".format(math.ceil(needed)),
        )


def plan_loads(source, seconds, launches):
    """Which loads to run.

    Two of them, in the first launch and in the last, each at least 10 s; one where `seconds` is less than 20.

    Args:
        source: The power source, started.
        seconds: Load of each model in all, s; None for what the source needs, 0 for none.
        launches: How many launches there are.

    Raises:
        InputError: See `require_long_enough`.
    """
    require_long_enough(source, seconds)
    if not isinstance(source, SampledSource) or seconds == 0:
        return Loads()
    pace = pace_of(source.window_s, source.interval_s)
    if seconds is None:
        each = pace.lead_s + STRETCHES * pace.stretch_s + pace.tail_s
        seconds = LOADS * max(SHORTEST_LOAD_S, each)
    count = _count(seconds)
    idle_s = pace.lead_s + max(IDLE_S, 2 * pace.idle_stretch_s) + pace.tail_s
    return Loads(seconds / count, idle_s, [0, launches - 1][-count:])


def _count(seconds):
    return LOADS if seconds >= LOADS * SHORTEST_LOAD_S else 1


def measure_loads(workers, launch, loads, tell):
    """Load every worker in turn, in an order turned by one each launch, with idle stretches between.

    Args:
        workers: What `ask("load", ...)` is sent to, one a model.
        launch: The launch's number.
        loads: A `Loads`.
        tell: Called with a worker's index and the fraction done.

    Returns:
        For each worker its `Turn`s in this launch.
    """
    turns = [[] for _ in workers]
    for _ in range(loads.launches.count(launch)):
        before = _idle(loads.idle_s)
        for position in range(len(workers)):
            index = (position + launch) % len(workers)
            tell(index, position / len(workers))
            marks = workers[index].ask("load", seconds=loads.seconds)["marks"]
            after = _idle(loads.idle_s)
            turns[index].append(Turn(launch, before, (marks[0][0], marks[-1][0]), after, marks))
            before = after
    return turns


def _idle(seconds):
    start = time.perf_counter()
    time.sleep(seconds)
    return start, time.perf_counter()
