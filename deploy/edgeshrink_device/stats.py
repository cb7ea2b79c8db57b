"""What a list of times says, and how far two runs differ: medians with 95% intervals.

Times are milliseconds. Nothing here knows how they were measured; `edgeshrink compare` uses it on stored
profiles.
"""

import numpy as np

from edgeshrink_device import bootstrap
from edgeshrink_device.errors import InputError

__all__ = ["histogram", "ratio_interval", "summarize"]

FEWEST_BLOCKS = 8  # with fewer, resampling whole blocks says little: single runs are resampled instead


def summarize(times_ms, block_runs=None, seed=0):
    """Percentiles, moments and the 95% bootstrap interval of the median.

    Args:
        times_ms: One time a run, in the order they were measured, ms.
        block_runs: How many runs each block of the measurement held; with at least 8 blocks whole blocks are
            resampled, so that neighbouring runs disturbed by the same thing do not make the interval too
            narrow.
        seed: Seed of the resampling.

    Returns:
        `n`, `mean`, `median`, `p90`, `p95`, `p99`, `min`, `max`, `std` (null for one run), `ci95` ([low,
        high] of the median) and `ci95_method` ("block bootstrap" or "bootstrap"); times in ms.

    Raises:
        InputError: No times, a time that is not finite, or blocks that do not add up to the times.
    """
    times = _checked(times_ms)
    draws, method = _median_draws(times, block_runs, bootstrap.generator(seed))
    p90, p95, p99 = (float(value) for value in np.percentile(times, [90, 95, 99]))
    return {
        "n": len(times),
        "mean": float(times.mean()),
        "median": float(np.median(times)),
        "p90": p90,
        "p95": p95,
        "p99": p99,
        "min": float(times.min()),
        "max": float(times.max()),
        "std": float(times.std(ddof=1)) if len(times) > 1 else None,
        "ci95": bootstrap.interval(draws),
        "ci95_method": method,
    }


def ratio_interval(a_profile, b_profile, clock="end_to_end", seed=0):
    """How many times faster B is than A: median A / median B with its 95% bootstrap interval.

    Two profiles of one session were measured in alternating blocks: their rounds are resampled together, so
    that drift common to both cancels. Any other two are resampled each on its own.

    Args:
        a_profile: profile.json of A, as a dict.
        b_profile: profile.json of B, as a dict.
        clock: Which times to compare, "end_to_end" or "gpu".
        seed: Seed of the resampling.

    Returns:
        `ratio`, `ci95` ([low, high]) and `method` ("paired block bootstrap", "independent block bootstrap" or
        "independent bootstrap").

    Raises:
        InputError: A profile has no such times.
    """
    a_times, a_runs = _times_of(a_profile, clock)
    b_times, b_runs = _times_of(b_profile, clock)
    rng = bootstrap.generator(seed)
    if _same_session(a_profile, b_profile) and len(a_runs) == len(b_runs) >= FEWEST_BLOCKS:
        weights = bootstrap.block_weights(len(a_runs), rng)
        draws = _binned(a_times, a_runs).medians(weights) / _binned(b_times, b_runs).medians(weights)
        method = "paired block bootstrap"
    else:
        a_draws, a_method = _median_draws(a_times, a_runs, rng)
        b_draws, b_method = _median_draws(b_times, b_runs, rng)
        draws = a_draws / b_draws
        method = "independent " + (a_method if a_method == b_method else "bootstrap")
    ratio = float(np.median(a_times) / np.median(b_times))
    return {"ratio": ratio, "ci95": bootstrap.interval(draws), "method": method}


def histogram(times_ms, bins=40):
    """Counts in equal bins from the shortest time to the 99th percentile, and how many lie above.

    Args:
        times_ms: One time a run, ms.
        bins: Number of bins; one when all times are alike.

    Returns:
        `edges_ms` (one more than counts), `counts`, and `above`, the runs beyond the last edge.
    """
    times = _checked(times_ms)
    low, high = float(times.min()), float(np.percentile(times, 99))
    if high <= low:
        inside = int((times <= low).sum())
        return {"edges_ms": [low, low], "counts": [inside], "above": len(times) - inside}
    counts, edges = np.histogram(times, bins=bins, range=(low, high))
    return {
        "edges_ms": [round(float(edge), 6) for edge in edges],
        "counts": [int(count) for count in counts],
        "above": len(times) - int(counts.sum()),
    }


def _checked(times_ms):
    times = np.asarray(times_ms, dtype=np.float64)
    if times.ndim != 1 or len(times) == 0:
        raise InputError("no times to summarize")
    if not np.isfinite(times).all():
        raise InputError("a time is not a finite number")
    return times


def _median_draws(times, block_runs, rng):
    if block_runs is None or len(block_runs) < FEWEST_BLOCKS:
        return bootstrap.run_medians(times, rng), "bootstrap"
    weights = bootstrap.block_weights(len(block_runs), rng)
    return _binned(times, block_runs).medians(weights), "block bootstrap"


def _binned(times, block_runs):
    if sum(block_runs) != len(times):
        raise InputError("the blocks hold {} runs, the times are {}".format(sum(block_runs), len(times)))
    block_of = np.repeat(np.arange(len(block_runs)), block_runs)
    return bootstrap.BinnedBlocks(times, block_of, len(block_runs))


def _same_session(a_profile, b_profile):
    a_session = (a_profile.get("session") or {}).get("id")
    return a_session is not None and a_session == (b_profile.get("session") or {}).get("id")


def _times_of(profile, clock):
    latency = (profile.get("latency_ms") or {}).get(clock)
    if not latency or not latency.get("times_ms"):
        name = (profile.get("model") or {}).get("name", "the profile")
        raise InputError("{} holds no {} times".format(name, clock))
    runs = [block["runs"] for block in profile.get("blocks") or []]
    return _checked(latency["times_ms"]), runs
