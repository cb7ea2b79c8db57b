"""From joules at the edges of blocks to millijoules an inference, with intervals."""

import numpy as np

from edgeshrink_device import bootstrap
from edgeshrink_device.stats import FEWEST_GROUPS, group_keys

__all__ = ["power_trace", "summarize_energy"]


def summarize_energy(source, why, blocks, idle, seed=0):
    """Energy per inference, total and above idle, each with its 95% bootstrap interval.

    The lead-in runs of a block draw power as the timed ones do and are counted as inferences.

    Args:
        source: The power source that was read.
        why: Why that source, or why there is none.
        blocks: One model's blocks of all launches.
        idle: Windows from `sample_idle`, with the models loaded.
        seed: Seed of the resampling.

    Returns:
        The profile's `energy_mj` (None where it cannot be told truly) and the reason for None.
    """
    reason = _unusable(source, why, blocks, idle)
    if reason:
        return None, reason
    rng = bootstrap.generator(seed)
    joules, runs, seconds = _by_launch(blocks)
    idle_joules, idle_seconds = (np.array(column) for column in zip(*idle))
    weights = bootstrap.group_weights(len(joules), rng)
    idle_weights = bootstrap.group_weights(len(idle), rng)
    idle_draws = idle_weights.dot(idle_joules) / idle_weights.dot(idle_seconds)
    drawn_runs = weights.dot(runs)
    total_draws = weights.dot(joules) / drawn_runs
    above_draws = total_draws - idle_draws * weights.dot(seconds) / drawn_runs
    idle_w = idle_joules.sum() / idle_seconds.sum()
    total = joules.sum() / runs.sum()
    return {
        "total": _millijoules(total, total_draws, len(joules)),
        "above_idle": _millijoules(total - idle_w * seconds.sum() / runs.sum(), above_draws, len(joules)),
        "above_idle_reason": None,
        "source": source.name,
        "source_reason": why,
        "rails": list(source.rails),
        "covers": source.covers,
        "method": "the source's counter at the edges of blocks",
        "samples": len(blocks) + len(idle),
        "mean_power_w": float(joules.sum() / seconds.sum()),
        "idle_power_w": float(idle_w),
        "idle_power_ci95_w": bootstrap.interval(idle_draws, len(idle)),
    }, None


def power_trace(blocks):
    """Mean power of each block at its middle, or None without a meter."""
    if any(block["energy_j"] is None for block in blocks):
        return None
    return {
        "t_s": [round(block["start_s"] + block["window_s"] / 2, 6) for block in blocks],
        "w": [round(block["energy_j"] / block["window_s"], 6) for block in blocks],
    }


def _by_launch(blocks):
    """Joules, runs (the lead-in's too) and seconds, summed by what is resampled."""
    groups = group_keys(blocks)
    sums = {key: np.zeros(3) for key in groups}
    for key, block in zip(groups, blocks):
        sums[key] += (block["energy_j"], block["runs"] + block["lead_in_runs"], block["window_s"])
    return np.array([sums[key] for key in sorted(sums)]).T


def _millijoules(joules, draws, resampled):
    return {"mean": float(joules * 1000), "ci95": bootstrap.interval(draws * 1000, resampled)}


def _unusable(source, why, blocks, idle):
    if not idle or any(block["energy_j"] is None for block in blocks):
        return why
    if len(blocks) < FEWEST_GROUPS:
        return "only {} blocks were measured".format(len(blocks))
    lengths = [block["window_s"] for block in blocks]
    if min(lengths) < source.shortest_window_s:
        return "blocks of {:.1f} ms are too short for {}: raise --seconds".format(
            min(lengths) * 1000, source.name
        )
    if max(lengths) > source.longest_window_s:
        return "a block lasted {:.0f} s, in which the counter of {} may wrap unseen".format(
            max(lengths), source.name
        )
    return ""
