"""Bootstrap draws of a median, quick and small whatever the number of times.

Two ways to resample n times:

runs    Each run on its own. The k-th smallest of n draws from the empirical distribution is x[floor(n U)]
        with U the k-th order statistic of n uniforms, Beta(k, n - k + 1): one Beta draw is one whole
        resample, exactly.
groups  Whole groups of runs, since runs of one group share what disturbs them. A resample is a weight a
        group; the weighted median is read from the cumulated counts of the sorted times. Up to BINS times
        each is a bin of its own (exact); beyond that a bin holds n / BINS neighbours in rank, far finer than
        the interval.

Percentiles of few groups are too narrow: their spread is that of n - 1 of n, and normal where it should be
Student's. `interval` reads them further out, at Phi(-sqrt(n / (n - 1)) t) (Hesterberg's expanded percentile
interval).
"""

import math

import numpy as np

__all__ = ["GroupedTimes", "generator", "group_weights", "interval", "run_medians"]

RESAMPLES = 4000
BINS = 4096
CHUNK = 200  # resamples at a time: 200 x 4096 doubles are 6.5 MB
NORMAL_975 = 1.959964


def generator(seed):
    """A seeded random generator that numpy 1.13 (JetPack 4) has too."""
    return np.random.RandomState(seed)


def interval(draws, resampled):
    """The 95% expanded percentile interval of bootstrap draws, as [low, high].

    Args:
        draws: The statistic of each resample.
        resampled: How many things were resampled.
    """
    level = 100 * _tail(resampled)
    low, high = np.percentile(draws, [level, 100 - level])
    return [float(low), float(high)]


def run_medians(times, rng):
    """Medians of bootstrap resamples of independent times."""
    ordered = np.sort(np.asarray(times, dtype=np.float64))
    n = len(ordered)
    k = (n + 1) // 2
    lower = rng.beta(k, n - k + 1, RESAMPLES)
    at_lower = ordered[_index(lower, n)]
    if n % 2:
        return at_lower
    upper = lower + (1 - lower) * rng.beta(1, n - k, RESAMPLES)
    return (at_lower + ordered[_index(upper, n)]) / 2


def group_weights(groups, rng):
    """How often each group is drawn in each resample, shape (resamples, groups)."""
    return rng.multinomial(groups, np.full(groups, 1.0 / groups), size=RESAMPLES)


class GroupedTimes:
    """Sorted times, and how many of each bin every group holds.

    Args:
        times: All times, group after group, any unit.
        group_runs: How many times each group holds.
    """

    def __init__(self, times, group_runs):
        times = np.asarray(times, dtype=np.float64)
        group_of = np.repeat(np.arange(len(group_runs)), group_runs)
        order = np.argsort(times, kind="mergesort")
        bins = min(len(times), BINS)
        bin_of = np.arange(len(times)) * bins // len(times)
        sums = np.bincount(bin_of, weights=times[order], minlength=bins)
        cells = np.bincount(group_of[order] * bins + bin_of, minlength=len(group_runs) * bins)
        self._values = sums / np.bincount(bin_of, minlength=bins)
        self._counts = cells.reshape(len(group_runs), bins).astype(np.float64)

    def medians(self, weights):
        """The median of each resample, for weights of shape (resamples, groups)."""
        parts = [self._medians(weights[i : i + CHUNK]) for i in range(0, len(weights), CHUNK)]
        return np.concatenate(parts)

    def _medians(self, weights):
        cumulated = np.cumsum(weights.dot(self._counts), axis=1)
        total = cumulated[:, -1:]
        lower = (cumulated <= np.floor((total - 1) / 2)).sum(axis=1)
        upper = (cumulated <= np.floor(total / 2)).sum(axis=1)
        return (self._values[lower] + self._values[upper]) / 2


def _tail(n):
    """Phi(-sqrt(n / (n - 1)) t) with t the 97.5% point of Student's t with n - 1 degrees of freedom."""
    if n < 2:
        return 0.0
    z, v = NORMAL_975, n - 1.0
    t = z + (z**3 + z) / (4 * v) + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * v**2)
    t += (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / (384 * v**3)
    return math.erfc(math.sqrt(n / v) * t / math.sqrt(2)) / 2


def _index(uniform, n):
    return np.minimum((uniform * n).astype(np.int64), n - 1)
