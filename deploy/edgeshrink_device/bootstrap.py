"""Bootstrap draws of a median, quick and small whatever the number of times.

Two ways to resample n times in R blocks:

runs    Each run on its own. The k-th smallest of n draws from the empirical distribution is x[floor(n U)]
with
        U the k-th order statistic of n uniforms, Beta(k, n - k + 1): one Beta draw is one whole resample,
        exactly.
blocks  Whole blocks, since runs next to each other share what disturbs them. A resample is a weight a block;
the
        weighted median is read from the cumulated counts of the sorted times. Up to BINS times each is a bin
        of its own (exact); beyond that a bin holds n / BINS neighbours in rank, far finer than the interval.
"""

import numpy as np

__all__ = ["BinnedBlocks", "generator", "interval", "run_medians"]

RESAMPLES = 2000
BINS = 4096
CHUNK = 200  # resamples at a time: 200 x 4096 doubles are 6.5 MB


def generator(seed):
    """A seeded random generator that numpy 1.13 (JetPack 4) has too."""
    return np.random.RandomState(seed)


def interval(draws):
    """The 95% percentile interval of bootstrap draws, as [low, high]."""
    low, high = np.percentile(draws, [2.5, 97.5])
    return [float(low), float(high)]


def run_medians(times, rng, resamples=RESAMPLES):
    """Medians of `resamples` bootstrap resamples of independent times."""
    ordered = np.sort(np.asarray(times, dtype=np.float64))
    n = len(ordered)
    k = (n + 1) // 2
    lower = rng.beta(k, n - k + 1, resamples)
    at_lower = ordered[_index(lower, n)]
    if n % 2:
        return at_lower
    upper = lower + (1 - lower) * rng.beta(1, n - k, resamples)
    return (at_lower + ordered[_index(upper, n)]) / 2


def block_weights(blocks, rng, resamples=RESAMPLES):
    """How often each block is drawn in each resample, shape (resamples, blocks)."""
    return rng.multinomial(blocks, np.full(blocks, 1.0 / blocks), size=resamples)


class BinnedBlocks:
    """Sorted times and how many of each bin every block holds.

    Args:
        times: All times, any unit.
        block_of: The block of each time, 0 to blocks - 1.
        blocks: Number of blocks.
    """

    def __init__(self, times, block_of, blocks):
        times = np.asarray(times, dtype=np.float64)
        order = np.argsort(times, kind="mergesort")
        bins = min(len(times), BINS)
        bin_of = np.arange(len(times)) * bins // len(times)
        sums = np.bincount(bin_of, weights=times[order], minlength=bins)
        cells = np.asarray(block_of)[order] * bins + bin_of
        self.values = sums / np.bincount(bin_of, minlength=bins)
        self.counts = np.bincount(cells, minlength=blocks * bins).reshape(blocks, bins).astype(np.float64)

    def medians(self, weights):
        """The median of each resample, for weights of shape (resamples, blocks)."""
        parts = [self._medians(weights[i : i + CHUNK]) for i in range(0, len(weights), CHUNK)]
        return np.concatenate(parts)

    def _medians(self, weights):
        cumulated = np.cumsum(weights.dot(self.counts), axis=1)
        total = cumulated[:, -1:]
        lower = (cumulated <= np.floor((total - 1) / 2)).sum(axis=1)
        upper = (cumulated <= np.floor(total / 2)).sum(axis=1)
        return (self.values[lower] + self.values[upper]) / 2


def _index(uniform, n):
    return np.minimum((uniform * n).astype(np.int64), n - 1)
