"""Samples of power as a function of time: what the meter averages over, gaps, and integrals.

A value that a meter shows at time t is the mean over its window before the moment it was last renewed. Held
values lag by (window + time between renewals) / 2, which is one window for a meter that renews as often as it
averages: `Power` moves the samples back by it, so that a slow drift is not read late.
"""

import numpy as np

__all__ = ["Power", "renewal_s"]

CHANGES = 8  # fewer changes of the value do not tell how often it is renewed
EARLY = (
    20  # percentile of the times between changes: some changes go unseen, as equal values follow each other
)
HELD = 1.5  # polls: values that change at about every poll may be renewed more often than is seen
SILENCE_S = 0.5  # no readings for longer than this, and than four intervals, is a gap
SILENT_POLLS = 4


class Power:
    """Power between samples, as straight lines.

    Args:
        times_s: When each value was read, seconds, increasing; shape (n,).
        watts: The values; shape (n,).
        interval_s: Seconds between readings.
        lag_s: How long before its reading the middle of what a value averages lies.
    """

    def __init__(self, times_s, watts, interval_s, lag_s=0.0):
        self._times = np.asarray(times_s, dtype=np.float64) - lag_s
        self._watts = np.asarray(watts, dtype=np.float64)
        self._gap_s = max(SILENCE_S, SILENT_POLLS * interval_s)

    def joules(self, edges_s):
        """The trapezoid rule's energy between each edge and the next; shape (len(edges_s) - 1,)."""
        grid = np.union1d(self._times, edges_s)
        watts = np.interp(grid, self._times, self._watts)
        sums = np.concatenate([[0.0], np.cumsum(np.diff(grid) * (watts[1:] + watts[:-1]) / 2)])
        return np.diff(sums[np.searchsorted(grid, edges_s)])

    def whole(self, edges_s):
        """Whether readings cover each stretch between edges without a gap; booleans, shape as `joules`."""
        starts, ends = self._gaps()
        low, high = np.asarray(edges_s[:-1]), np.asarray(edges_s[1:])
        return ~((low[:, None] < ends) & (high[:, None] > starts)).any(axis=1)

    def values(self, start_s, end_s):
        """The samples in a stretch, watts."""
        return self._watts[(self._times >= start_s) & (self._times <= end_s)]

    def _gaps(self):
        """Where they start and end; before the first reading and after the last there is nothing either."""
        times = np.concatenate([[-np.inf], self._times, [np.inf]])
        silent = np.diff(times) > self._gap_s
        return times[:-1][silent], times[1:][silent]


def renewal_s(times_s, watts, interval_s):
    """How often a polled meter renews its value, estimated by how long the same value stays, seconds.

    Returns:
        0.0 when it is renewed about as often as it is polled; None when too few changes were seen to tell.
    """
    times, watts = np.asarray(times_s, dtype=np.float64), np.asarray(watts, dtype=np.float64)
    changed = times[1:][np.diff(watts) != 0]
    if len(changed) <= CHANGES:
        return None
    seconds = float(np.percentile(np.diff(changed), EARLY))
    return seconds if seconds > HELD * interval_s else 0.0
