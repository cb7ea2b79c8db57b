"""Energy per inference from samples of power: loads of many seconds, an idle stretch on either side of each.

    total      = integral of P over the load / inferences in it
    above idle = (integral of P - idle power x seconds of the load) / inferences

Only the settled part counts: what no sample reaches that averaged over anything else, nor the first second.
Intervals: bootstrap over stretches long against the meter's window and the time between readings, since
neighbouring samples share what the meter averaged (block bootstrap, Kuensch 1989). Idle power lies somewhere
between those before and after, so each draw takes a point between them. What the meter's steps hide is drawn,
too.
"""

from collections import namedtuple

import numpy as np

from edgeshrink_device import bootstrap
from edgeshrink_device.loads import SHORTEST_LOAD_S, UNKNOWN_WINDOW_S, needed_s, pace_of
from edgeshrink_device.stats import FEWEST_GROUPS
from edgeshrink_device.traces import Power, renewal_s

__all__ = ["sampled_trace", "summarize_sampled"]

MOST_DROPPED = 0.05  # of the readings, without a word
ROUNDING_S = 0.001
MOST_LOST = 0.2  # of the stretches; more than that were not measured
SURE = 3.0  # standard errors by which idle powers must differ to be drift and not noise
DRIFT_WORTH_TELLING = 0.1  # of what the model draws above idle
SLOWED = 0.1  # between the first and the last third of a load
ONE_READING = 0.03  # of the energy, above what the load's middle reading makes of it

_Meter = namedtuple("_Meter", ["power", "pace", "interval_s", "window_s", "step_w", "estimated"])
_Idle = namedtuple("_Idle", ["watts", "error"])


def summarize_sampled(source, why, trace, turns, seed=0):
    """Energy per inference of one model, total and above idle, each with its 95% bootstrap interval.

    Args:
        source: The power source that was read.
        why: Why that source.
        trace: What it said: an `edgeshrink_device.sampler.Trace`.
        turns: The model's loads: `edgeshrink_device.loads.Turn`s.
        seed: Seed of the resampling.

    Returns:
        The profile's `energy_mj` (None where it cannot be told truly), the reason for None, and warnings.
    """
    reason = _unusable(trace, turns)
    if reason:
        return None, reason, []
    meter = _meter(trace)
    stretches, lost = _stretches(meter, turns)
    reason = _too_little(meter, turns, stretches, lost) or _stuck(meter, turns)
    if reason:
        return None, reason, []
    idles = [(_idle(meter, turn.before), _idle(meter, turn.after)) for turn in turns]
    if any(idle is None for pair in idles for idle in pair):
        return None, "idle power was not measured: the meter left gaps beside a load", []
    energy = _figures(meter, turns, stretches, idles, bootstrap.generator(seed))
    energy.update(
        source=source.name,
        source_reason=why,
        rails=list(source.rails),
        covers=source.covers,
        method="integral of samples over {} loads, idle before and after each".format(len(turns)),
        sampling=_sampling(trace, meter, turns, stretches),
    )
    return energy, None, _warnings(trace, meter, turns, energy, idles, lost)


def sampled_trace(trace, turns, began):
    """The profile's `power_trace`: samples from the first idle stretch to the last, and the stretches.

    Args:
        trace: An `edgeshrink_device.sampler.Trace`.
        turns: The model's loads.
        began: When the session began, seconds of the sampler's clock.
    """
    if not turns:
        return None
    kept = [
        (at, watts)
        for at, watts in zip(trace.times_s, trace.watts)
        if any(turn.before[0] <= at <= turn.after[1] for turn in turns)
    ]
    if not kept:
        return None
    phases = []
    for turn in turns:
        for kind, (start, end) in (("idle", turn.before), ("load", turn.load), ("idle", turn.after)):
            phases.append({"kind": kind, "start_s": round(start - began, 6), "end_s": round(end - began, 6)})
    return {
        "t_s": [round(at - began, 6) for at, _ in kept],
        "w": [round(watts, 6) for _, watts in kept],
        "phases": phases,
    }


def _unusable(trace, turns):
    """Why these samples say nothing, whatever their values; empty when they may."""
    if not turns:
        return "no load was run to sample power in"
    shortest = min(turn.load[1] - turn.load[0] for turn in turns)
    if shortest < SHORTEST_LOAD_S - ROUNDING_S:
        return "a load of {:.1f} s is too short for sampled power: --load-seconds {:.0f} or more".format(
            shortest, SHORTEST_LOAD_S
        )
    if trace.failure and (not trace.times_s or trace.times_s[-1] < turns[-1].after[1]):
        return "the meter failed while measuring: {}".format(trace.failure)
    if len(trace.times_s) < 2:
        return "the meter gave no readings ({} told nothing)".format(trace.dropped)
    if not np.isfinite(trace.watts).all() or min(trace.watts) < 0:
        return "the meter gave values that are no power"
    if (np.diff(trace.times_s) <= 0).any():
        return "the clock of the samples went back"
    if len(set(trace.watts)) < 2:
        return "the meter gave the same value all along, idle and loaded: it is stuck or too coarse"
    return ""


def _meter(trace):
    interval = max(trace.interval_s, float(np.median(np.diff(trace.times_s))))
    seen = renewal_s(trace.times_s, trace.watts, interval)
    known = trace.window_s if trace.window_s is not None else seen
    step = trace.resolution_w
    if step is None:
        step = float(np.diff(np.unique(trace.watts)).min())
    power = Power(trace.times_s, trace.watts, interval, lag_s=known or 0.0)
    return _Meter(power, pace_of(known, interval), interval, known, step, trace.window_s is None)


def _stretches(meter, turns):
    """Joules, inferences and seconds of every whole stretch, shape (n, 3); and how many had gaps."""
    rows, lost = [], 0
    for turn in turns:
        edges = _edges(turn.load, meter, meter.pace.stretch_s)
        if edges is None:
            continue
        times, counts = zip(*turn.marks)
        whole = meter.power.whole(edges)
        table = np.stack(
            [meter.power.joules(edges), np.diff(np.interp(edges, times, counts)), np.diff(edges)], axis=1
        )
        rows.append(table[whole])
        lost += int((~whole).sum())
    return (np.concatenate(rows) if rows else np.zeros((0, 3))), lost


def _edges(stretch, meter, length_s):
    """Equal parts of the settled part of a stretch, each at least `length_s`; None when there is none."""
    start, end = _settled(meter, stretch)
    parts = int((end - start) / length_s + 1e-9)
    return np.linspace(start, end, parts + 1) if parts > 0 else None


def _too_little(meter, turns, stretches, lost):
    if lost > MOST_LOST * (lost + len(stretches)):
        return "the meter left gaps in {} of {} stretches of the loads".format(lost, lost + len(stretches))
    if len(stretches) < FEWEST_GROUPS:
        missing_s = (FEWEST_GROUPS - len(stretches)) * meter.pace.stretch_s * len(turns)
        loaded_s = sum(turn.load[1] - turn.load[0] for turn in turns)
        least_s = max(needed_s(meter.pace), int(loaded_s + missing_s) + 1)
        return "{} stretches of {:.1f} s are too few readings: give --load-seconds {} or more".format(
            len(stretches), meter.pace.stretch_s, least_s
        )
    return "no inference was finished in the loads" if stretches[:, 1].sum() <= 0 else ""


def _stuck(meter, turns):
    """A meter with one value from the later half of a phase into the earlier half of the next is stuck."""
    for turn in turns:
        for first, then in ((turn.before, turn.load), (turn.load, turn.after)):
            (start, end), (starts, ends) = _settled(meter, first), _settled(meter, then)
            values = meter.power.values((start + end) / 2, (starts + ends) / 2)
            if len(set(values)) == 1:
                return "the meter stood still between a load and the idle beside it: stuck or too coarse"
    return ""


def _idle(meter, stretch):
    """Mean power of an idle stretch and its standard error; None when it was not measured."""
    edges = _edges(stretch, meter, meter.pace.idle_stretch_s)
    if edges is None:
        edges = np.array(_settled(meter, stretch))
        if edges[1] <= edges[0]:
            return None
    whole = meter.power.whole(edges)
    if not whole.any():
        return None
    watts = (meter.power.joules(edges) / np.diff(edges))[whole]
    if len(watts) > 1:
        return _Idle(float(watts.mean()), float(watts.std(ddof=1) / np.sqrt(len(watts))))
    values = meter.power.values(edges[0], edges[-1])
    independent = max(1.0, 2 * (edges[-1] - edges[0]) / meter.pace.idle_stretch_s)
    return _Idle(float(watts[0]), float(values.std() / np.sqrt(independent)))


def _figures(meter, turns, stretches, idles, rng):
    joules, runs, seconds = stretches.T
    weights = bootstrap.group_weights(len(stretches), rng)
    drawn_runs, drawn_s = weights.dot(runs), weights.dot(seconds)
    load_values = np.concatenate([meter.power.values(*_settled(meter, turn.load)) for turn in turns])
    idle_values = np.concatenate(
        [meter.power.values(*_settled(meter, at)) for turn in turns for at in (turn.before, turn.after)]
    )
    apart = _apart(meter, seconds)
    hidden_j = drawn_s * _hidden(load_values, meter.step_w, rng)
    idle_draws = np.mean([_idle_draws(pair, rng) for pair in idles], axis=0)
    idle_draws += _hidden(idle_values, meter.step_w, rng)
    idle_w = float(np.mean([idle.watts for pair in idles for idle in pair]))
    load_w = float(joules.sum() / seconds.sum())
    total, above = joules.sum() / runs.sum(), (joules.sum() - idle_w * seconds.sum()) / runs.sum()
    no_above = _no_above(load_w - idle_w, idles)
    total_draws = total + (weights.dot(joules) / drawn_runs - total) * apart + hidden_j / drawn_runs
    above_draws = total_draws - idle_draws * drawn_s / drawn_runs
    count = len(stretches)
    return {
        "total": _millijoules(total, total_draws, count),
        "above_idle": None if no_above else _millijoules(above, above_draws, count),
        "above_idle_reason": no_above or None,
        "samples": len(load_values) + len(idle_values),
        "mean_power_w": load_w,
        "idle_power_w": idle_w,
        "idle_power_ci95_w": bootstrap.interval(idle_draws, 2 * len(idles)),
    }


def _apart(meter, seconds):
    """What the spread of stretches must be multiplied by: neighbours share the samples at their edges.

    The mean over L of values held or drawn straight over c has a variance smaller by up to c / 2L than what
    independent stretches would have.
    """
    shared = max(meter.window_s or 0.0, meter.interval_s)
    return 1 / np.sqrt(1 - min(0.5, shared / (2 * seconds.mean())))


def _settled(meter, stretch):
    return stretch[0] + meter.pace.lead_s, stretch[1] - meter.pace.tail_s


def _idle_draws(pair, rng):
    """Idle power during a load: a point between those before and after it, each as well as it is known."""
    before, after = (idle.watts + idle.error * rng.standard_normal(bootstrap.RESAMPLES) for idle in pair)
    return before + (after - before) * rng.uniform(size=bootstrap.RESAMPLES)


def _hidden(values, step_w, rng):
    """Draws of what a meter's steps hide: up to half a step, unless noise carries the value over the steps.

    The mean of rounded values misses that of the values by at most step / pi exp(-2 pi^2 s^2 / step^2) for
    noise of standard deviation s (Widrow 1956): under 1% of a step from s = half a step on.
    """
    if values.std() >= step_w / 2:
        return 0.0
    return step_w * rng.uniform(-0.5, 0.5, size=bootstrap.RESAMPLES)


def _no_above(effect_w, idles):
    if effect_w <= 0:
        return "the loaded machine drew no more than the idle one"
    drift = max((abs(_drift(pair)) for pair in idles if _drifted(pair)), default=0.0)
    if drift >= effect_w:
        return "idle power drifted by {:.2f} W, no less than the {:.2f} W drawn above it".format(
            drift, effect_w
        )
    return ""


def _drift(pair):
    return pair[1].watts - pair[0].watts


def _drifted(pair):
    return abs(_drift(pair)) > SURE * np.hypot(pair[0].error, pair[1].error)


def _millijoules(joules, draws, resampled):
    return {"mean": float(joules * 1000), "ci95": bootstrap.interval(draws * 1000, resampled)}


def _sampling(trace, meter, turns, stretches):
    times = np.asarray(trace.times_s)
    return {
        "rate_hz": round(float(1 / np.median(np.diff(times))), 3),
        "window_s": round(meter.window_s, 4) if meter.window_s else None,
        "window_from": _window_from(meter),
        "resolution_w": round(meter.step_w, 6),
        "resolution_from": "the meter" if trace.resolution_w is not None else "the values seen",
        "readings": len(times),
        "dropped": trace.dropped,
        "loads": len(turns),
        "load_s": round(sum(turn.load[1] - turn.load[0] for turn in turns), 3),
        "stretches": len(stretches),
        "stretch_s": round(float(stretches[:, 2].mean()), 3),
    }


def _window_from(meter):
    if not meter.estimated:
        return "the meter"
    if meter.window_s is None:
        return "not known: too few changes were seen; {:.1f} s were assumed".format(UNKNOWN_WINDOW_S)
    if meter.window_s == 0:
        return "not known: the value changed with every reading"
    return "estimated: how long values stay the same"


def _warnings(trace, meter, turns, energy, idles, lost):
    warnings = []
    effect = energy["mean_power_w"] - energy["idle_power_w"]
    drift = max((abs(_drift(pair)) for pair in idles if _drifted(pair)), default=0.0)
    if drift > DRIFT_WORTH_TELLING * abs(effect):
        warnings.append(
            "idle power drifted by {:.2f} W while {:.2f} W above it were measured".format(drift, effect)
        )
    if lost:
        warnings.append("{} stretches of the loads were left out: the meter had gaps".format(lost))
    if trace.dropped > MOST_DROPPED * len(trace.times_s):
        warnings.append("{} readings of the meter told nothing".format(trace.dropped))
    warnings += _spikes(meter, turns, energy)
    slower = max(_slowed(turn) for turn in turns)
    if slower > SLOWED:
        warnings.append(
            "the model ran {:.0f}% slower at the end of a load than at its start: the machine throttled or "
            "did other work".format(100 * slower)
        )
    return warnings


def _spikes(meter, turns, energy):
    """A reading that makes much of the energy by itself, loaded or idle."""
    loads = [meter.power.values(*_settled(meter, turn.load)) for turn in turns]
    idles = [
        meter.power.values(*_settled(meter, stretch))
        for turn in turns
        for stretch in (turn.before, turn.after)
    ]
    effect = energy["mean_power_w"] - energy["idle_power_w"]
    warnings = []
    for what, stretches, whole in (("total", loads, energy["mean_power_w"]), ("above idle", idles, effect)):
        highest, middle = max(
            ((values.max(), np.median(values)) for values in stretches if len(values)),
            key=lambda pair: pair[0] - pair[1],
        )
        share = (highest - middle) / sum(map(len, stretches)) / whole if whole > 0 else 0.0
        if share > ONE_READING:
            warnings.append(
                "one reading of {:.3g} W among others about {:.3g} W changes the energy {} by {:.0f}%: the "
                "meter erred, or something else ran".format(highest, middle, what, 100 * share)
            )
    return warnings


def _slowed(turn):
    times, counts = zip(*turn.marks)
    edges = np.linspace(times[0], times[-1], 4)
    rates = np.diff(np.interp(edges, times, counts))
    return float(1 - rates[2] / rates[0]) if rates[0] > 0 else 0.0
