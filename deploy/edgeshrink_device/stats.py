"""What a list of times says, and how far two runs differ: medians with 95% intervals.

Times are milliseconds. Nothing here knows how they were measured; `edgeshrink compare` uses it on stored
profiles.
"""

import numpy as np

from edgeshrink_device import bootstrap
from edgeshrink_device.errors import InputError

__all__ = ["group_keys", "group_runs", "histogram", "ratio_interval", "summarize"]

FEWEST_GROUPS = 5  # resampling fewer says little


def summarize(times_ms, groups=None, seed=0):
    """Percentiles, moments and the 95% bootstrap interval of the median.

    Args:
        times_ms: One time a run, in the order they were measured, ms.
        groups: How many runs each group held whose runs share what disturbs them (see `group_runs`); with at
            least 5 whole groups are resampled, else single runs.
        seed: Seed of the resampling.

    Returns:
        `n`, `mean`, `median`, `p90`, `p95`, `p99`, `min`, `max`, `std` (null for one run), `ci95` ([low,
        high] of the median) and `ci95_method` ("bootstrap of 8 groups" or "bootstrap of runs"); times in ms.

    Raises:
        InputError: No times, a time that is not finite, or groups that do not add up to the times.
    """
    times = _checked(times_ms)
    draws, resampled, method = _median_draws(times, groups, bootstrap.generator(seed))
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
        "ci95": bootstrap.interval(draws, resampled),
        "ci95_method": method,
    }


def ratio_interval(a_profile, b_profile, clock="end_to_end", seed=0):
    """How many times faster B is than A: median A / median B with its 95% bootstrap interval.

    Two profiles of one session were launched together and measured in alternating blocks: their groups are
    resampled in pairs, so that drift common to both cancels. Any other two are resampled each on its own.

    Args:
        a_profile: profile.json of A, as a dict.
        b_profile: profile.json of B, as a dict.
        clock: Which times to compare, "end_to_end" or "gpu".
        seed: Seed of the resampling.

    Returns:
        `ratio`, `ci95` ([low, high]) and `method` ("paired bootstrap of 8 groups", "independent ...").

    Raises:
        InputError: A profile has no such times.
    """
    a_times, a_groups = _times_of(a_profile, clock)
    b_times, b_groups = _times_of(b_profile, clock)
    rng = bootstrap.generator(seed)
    if _same_session(a_profile, b_profile) and len(a_groups) == len(b_groups) >= FEWEST_GROUPS:
        weights = bootstrap.group_weights(len(a_groups), rng)
        draws = _grouped(a_times, a_groups).medians(weights) / _grouped(b_times, b_groups).medians(weights)
        resampled, method = len(a_groups), "paired bootstrap of {} groups".format(len(a_groups))
    else:
        a_draws, a_resampled, a_method = _median_draws(a_times, a_groups, rng)
        b_draws, b_resampled, b_method = _median_draws(b_times, b_groups, rng)
        draws, resampled = a_draws / b_draws, min(a_resampled, b_resampled)
        method = "independent " + (a_method if a_method == b_method else "bootstraps")
    ratio = float(np.median(a_times) / np.median(b_times))
    return {"ratio": ratio, "ci95": bootstrap.interval(draws, resampled), "method": method}


def group_keys(blocks):
    """What each block of a profile is resampled with: its launch where there are at least 5, else itself."""
    launches = [block.get("launch", 0) for block in blocks]
    return launches if len(set(launches)) >= FEWEST_GROUPS else list(range(len(blocks)))


def group_runs(blocks):
    """How many runs each group of `group_keys` holds, in order."""
    runs = {}
    for key, block in zip(group_keys(blocks), blocks):
        runs[key] = runs.get(key, 0) + block["runs"]
    return [runs[key] for key in sorted(runs)]


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


def _median_draws(times, groups, rng):
    """Draws of the median, how many things were resampled, and the method in words."""
    if groups is None or len(groups) < FEWEST_GROUPS:
        return bootstrap.run_medians(times, rng), len(times), "bootstrap of runs"
    weights = bootstrap.group_weights(len(groups), rng)
    draws = _grouped(times, groups).medians(weights)
    return draws, len(groups), "bootstrap of {} groups".format(len(groups))


def _grouped(times, groups):
    if sum(groups) != len(times):
        raise InputError("the groups hold {} runs, the times are {}".format(sum(groups), len(times)))
    return bootstrap.GroupedTimes(times, groups)


def _same_session(a_profile, b_profile):
    a_session = (a_profile.get("session") or {}).get("id")
    return a_session is not None and a_session == (b_profile.get("session") or {}).get("id")


def _times_of(profile, clock):
    latency = (profile.get("latency_ms") or {}).get(clock)
    if not latency or not latency.get("times_ms"):
        name = (profile.get("model") or {}).get("name", "the profile")
        raise InputError("{} holds no {} times".format(name, clock))
    return _checked(latency["times_ms"]), group_runs(profile.get("blocks") or [])
