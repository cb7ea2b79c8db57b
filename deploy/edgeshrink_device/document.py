"""profile.json: everything measured of one model, and for what was not, why."""

import os
from collections import namedtuple

from edgeshrink_device import memory, state, stats
from edgeshrink_device.energy import power_trace, summarize_energy
from edgeshrink_device.energy_sampled import sampled_trace, summarize_sampled

__all__ = ["SCHEMA_VERSION", "Results", "Session", "build", "gather"]

SCHEMA_VERSION = 1
TAILS = (("p90", 10), ("p95", 20), ("p99", 100))  # runs of which at least one lies beyond
SWAPPED = 1 << 20  # bytes more in swap that are worth a word

Session = namedtuple(
    "Session",
    ["facts", "changes", "runner", "source", "why", "idle", "trace", "began", "thermal", "memory", "about"],
)
Session.__doc__ = """What all models of one call share: the machine's facts, sentences on what of them changed
meanwhile, the runner's name, the power source and why that one, idle windows of a counter, the `Trace` of a
source that samples (else None), when the session began, (thermal, its reason), what `memory.state` told
(before, after), and the profile's `session`."""

Results = namedtuple(
    "Results",
    ["opened", "warm_ups", "blocks", "times_ms", "gpu_times_ms", "memory", "added", "turns", "layers"],
)
Results.__doc__ = """What one model's workers answered: to open (in the first launch), to warm_up (in each),
all blocks and times in order (the GPU's: none without one), the memory of the launch that peaked highest,
bytes the device used more with the model loaded (one a launch), its loads, and to layers."""

Energy = namedtuple("Energy", ["figures", "reason", "trace", "trace_reason", "warnings"])
Energy.__doc__ = """The profile's `energy_mj` and `power_trace`, why either is None, and warnings."""


def gather(launches, index):
    """The `Results` of the model at `index`, from all launches."""
    finished = [launch.finished[index] for launch in launches]
    memories = [answer["memory"] for answer in finished]
    return Results(
        launches[0].opened[index],
        [launch.warm_up[index] for launch in launches],
        [block for launch in launches for block in launch.blocks[index]],
        [time for answer in finished for time in answer["times_ms"]],
        [time for answer in finished for time in answer["gpu_times_ms"]],
        max(memories, key=lambda memory: memory["process_peak"] or 0),
        [launch.added[index] for launch in launches],
        [turn for launch in launches for turn in launch.turns[index]],
        launches[-1].layers[index],
    )


def build(target, model, results, session):
    """The profile of one model, a `model_file.ModelFile`, as a JSON-able dict."""
    opened, times = results.opened, results.times_ms
    groups, seed = stats.group_runs(results.blocks), session.about["seed"]
    summary = stats.summarize(times, groups, seed=seed)
    energy = _energy(session, results)
    thermal, no_thermal = session.thermal
    return {
        "schema_version": SCHEMA_VERSION,
        "emulated": opened["emulated"] or session.source.emulated or session.facts["emulated"],
        "device": _device(session, opened),
        "model": _model(target, model, opened),
        "latency_ms": {
            "end_to_end": dict(summary, times_ms=times),
            "gpu": _gpu(results, groups, seed),
            "gpu_reason": None if results.gpu_times_ms else opened["gpu_reason"],
        },
        "throughput_per_s": 1000.0 / summary["mean"],
        **_samples_per_s(opened, 1000.0 / summary["mean"]),
        "memory_bytes": _memory(results, session.memory, opened),
        "energy_mj": energy.figures,
        "energy_reason": energy.reason,
        "parity": opened["parity"],
        "parity_reason": opened["parity_reason"],
        "thermal": thermal,
        "thermal_reason": no_thermal,
        "power_trace": energy.trace,
        "power_trace_reason": energy.trace_reason,
        "layers": results.layers["layers"],
        "layers_method": results.layers["layers_method"],
        "layers_reason": results.layers["layers_reason"],
        "warnings": [
            *filter(None, [model.warning]),
            *_warnings(session, results.warm_ups, len(times)),
            *energy.warnings,
            *opened["about"]["warnings"],
        ],
        "session": session.about,
        "warm_up": results.warm_ups,
        "histogram": stats.histogram(times),
        "blocks": results.blocks,
    }


def _samples_per_s(opened, inferences_per_s):
    """An inference is one launch; how many samples that is, an open first size tells alone."""
    fixed = "the size of the first axis is fixed: whether it counts samples is not known"
    return {
        "throughput_samples_per_s": opened["batch"] * inferences_per_s if opened["open_batch"] else None,
        "throughput_samples_per_s_reason": None if opened["open_batch"] else fixed,
    }


def _gpu(results, groups, seed):
    """The times between the GPU's events; None where there are none."""
    times = results.gpu_times_ms
    return dict(stats.summarize(times, groups, seed=seed), times_ms=times) if times else None


def _energy(session, results):
    """From the counter at the blocks' edges, or from the samples of the loads."""
    seed, impossible = session.about["seed"], results.opened["energy_reason"]
    if impossible and session.source.name != "none":
        return Energy(None, impossible, None, impossible, [])
    if session.trace is None:
        figures, reason = summarize_energy(
            session.source, session.why, results.blocks, session.idle, seed=seed
        )
        trace = power_trace(results.blocks)
        return Energy(figures, reason, trace, None if trace else session.why, [])
    if session.about["load_seconds"] == 0:
        reason = "{} samples power, and loads were turned off by --load-seconds 0".format(session.source.name)
        return Energy(None, reason, None, reason, [])
    figures, reason, warnings = summarize_sampled(
        session.source, session.why, session.trace, results.turns, seed=seed
    )
    trace = sampled_trace(session.trace, results.turns, session.began)
    return Energy(figures, reason, trace, None if trace else reason or "no samples", warnings)


def _device(session, opened):
    told = dict(opened["about"]["device"])
    software = dict(session.facts["software"], **opened["versions"])
    software.update(told.pop("software", {}))
    facts = dict(session.facts, runner=session.runner, threads=session.about["threads"], kind=opened["kind"])
    return dict(facts, software=software, **told)


def _model(target, model, opened):
    about = {
        "name": target.name,
        "file": os.path.basename(target.path),
        "sha256": model.sha256,
        "bytes": model.bytes,
        "precision": "as exported",
        "batch": opened["batch"],
        "shapes": opened["shapes"],
        "inputs": opened["inputs"],
        "outputs": opened["outputs"],
        "fed_with": opened["fed_with"],
    }
    return dict(about, **opened["about"]["model"])


def _memory(results, states, opened):
    used, swap, free = ([state[key] for state in states] for key in ("used", "swap", "largest_free"))
    added, no_added = memory.added(results.added)
    about = dict(
        results.memory,
        device_total_used=_pair(used),
        device_total_used_reason=memory.UNTOLD if None in used else None,
        device_added=added,
        device_added_reason=no_added,
        swap_used=_pair(swap),
        swap_used_reason="the system does not tell how much lies in swap" if None in swap else None,
        largest_free=_pair(free),
        largest_free_reason="told on Jetson boards alone" if None in free else None,
        engine=None,
        engine_reason=opened["engine_reason"],
        context=None,
        context_reason=opened["engine_reason"],
    )
    return dict(about, **opened["about"]["memory"])


def _pair(values):
    return None if None in values else {"before": values[0], "after": values[1]}


def _warnings(session, warm_ups, runs):
    facts, threads = session.facts, session.about["threads"]
    warnings = list(session.changes)
    unsteady = sum(warm_up["steady"] is False for warm_up in warm_ups)
    if unsteady:
        warnings.append("not steady after warm-up in {} of {} launches".format(unsteady, len(warm_ups)))
    if session.about["launches"] < stats.FEWEST_GROUPS:
        warnings.append(
            "fewer than {} launches: the intervals hold for these processes only".format(stats.FEWEST_GROUPS)
        )
    if facts["load_average"] and facts["load_average"][0] + threads > facts["cores_usable"]:
        warnings.append(
            "other work was running: load average {} on {} cores".format(
                facts["load_average"][0], facts["cores_usable"]
            )
        )
    warnings += _few(runs, session.about["runs"])
    swap = [told["swap"] for told in session.memory]
    if None not in swap and swap[1] > swap[0] + SWAPPED:
        warnings.append("memory ran out: {:.0f} MB went to swap".format((swap[1] - swap[0]) / 1e6))
    if facts["board"]:
        return warnings + _advice(facts, session.thermal[0])
    if facts["governor"] not in (None, "performance"):
        warnings.append(
            "the clock follows the load: governor is '{}', not 'performance'".format(facts["governor"])
        )
    return warnings


def _few(runs, asked):
    """What of few runs says less than it seems to."""
    told, was = [], " was" if runs == 1 else "s were"
    if runs < asked:
        told.append("{} run{} timed where {} were asked for".format(runs, was, asked))
    tails = [name for name, least in TAILS if runs < least]
    if tails:
        are = "is" if len(tails) == 1 else "are"
        told.append("{} of {} runs {} in effect their maximum".format(" and ".join(tails), runs, are))
    return told


def _advice(facts, thermal):
    keys = ("number", "best_number", "best", "reason")
    number, best_number, best, reason = (facts["power_mode_" + key] for key in keys)
    mode = state.PowerMode(number, facts["power_mode"], best_number, best, reason)
    return state.advice(mode, facts["clocks_locked"], thermal, facts["fan"])
