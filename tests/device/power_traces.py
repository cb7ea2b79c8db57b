"""Power known at every moment, and a meter that sees it as real ones do. No clock runs: time is given.

`Board` draws `idle_w`, then `load_w` in loads; `Meter` averages over a window, renews now and then, rounds,
adds noise and loses readings.
"""

import numpy as np
from edgeshrink_device.loads import Turn
from edgeshrink_device.power import SampledSource
from edgeshrink_device.sampler import Trace

STEP_S = 0.001


class Source(SampledSource):
    name, rails, covers = "simulated", ("ALL",), "everything"


class Board:
    """Idle and loaded in turn, a millisecond at a time.

    Args:
        idle_s, load_s: How long each stretch lasts, s.
        idle_w, load_w: What is drawn then, W.
        loads: How many loads, idle before and after each.
        run_s: How long an inference takes, s.
        shape: Function of (seconds since the start, watts) that changes the whole curve.
    """

    def __init__(self, idle_s=6.0, load_s=10.0, idle_w=2.0, load_w=7.0, loads=2, run_s=0.02, shape=None):
        self.run_s = run_s
        self.turns, pieces, now = [], [], 0.0
        for number in range(loads):
            start = now + idle_s
            end = start + load_s
            marks = [(start + i * 0.1, i * 0.1 / run_s) for i in range(round(load_s / 0.1) + 1)]
            self.turns.append(Turn(number, (now, start), (start, end), (end, end + idle_s), marks))
            pieces += [(idle_s, idle_w), (load_s, load_w), (idle_s, idle_w)]
            now = end + idle_s
        self.watts = np.concatenate([np.full(round(s / STEP_S), w) for s, w in pieces])
        self.times = np.arange(len(self.watts)) * STEP_S
        if shape is not None:
            self.watts = shape(self.times, self.watts)
        self._joules = np.concatenate([[0.0], np.cumsum(self.watts) * STEP_S])

    def joules(self, start, end):
        """What was drawn between two times."""
        at = np.interp([start, end], np.arange(len(self._joules)) * STEP_S, self._joules)
        return at[1] - at[0]

    def joules_at(self, times):
        return np.interp(times, np.arange(len(self._joules)) * STEP_S, self._joules)

    def settled_mj(self, settle_s, window_s):
        """Energy per inference in the settled part of the loads: total and above the idle beside them, mJ."""
        total = above = runs = 0.0
        for turn in self.turns:
            start, end = turn.load[0] + settle_s, turn.load[1] - window_s
            idle = np.mean(
                [
                    self.joules(a + settle_s, b - window_s) / (b - window_s - a - settle_s)
                    for a, b in (turn.before, turn.after)
                ]
            )
            total += self.joules(start, end)
            above += self.joules(start, end) - idle * (end - start)
            runs += (end - start) / self.run_s
        return total / runs * 1000, above / runs * 1000


def sample(board, rng, interval_s=0.1, window_s=0.02, renewal_s=None, noise_w=0.05, step_w=0.0, tells=True):
    """What a meter says of the board, as a `Trace`.

    Args:
        board: A `Board`.
        rng: numpy Generator.
        interval_s: Seconds between readings, half of it more or less.
        window_s: Seconds a value is the mean of.
        renewal_s: Seconds between values; as often as it is read where None.
        noise_w: Standard deviation of a value's own error, W.
        step_w: Values are rounded to whole steps of this, W.
        tells: Whether the meter tells its window and step.
    """
    times = np.cumsum(interval_s * rng.uniform(0.75, 1.25, int(board.times[-1] / interval_s / 0.75) + 1))
    times = times[times < board.times[-1]]
    renewed = times if renewal_s is None else np.floor(times / renewal_s) * renewal_s
    instants, which = np.unique(renewed, return_inverse=True)
    mean = (board.joules_at(instants) - board.joules_at(instants - window_s)) / window_s
    values = mean + rng.normal(0, noise_w, len(instants))
    if step_w:
        values = np.round(values / step_w) * step_w
    watts = np.maximum(values, 0)[which]
    known = max(window_s, renewal_s or 0) if tells else None
    return Trace(times.tolist(), watts.tolist(), 0, interval_s, known, step_w or None if tells else None, "")
