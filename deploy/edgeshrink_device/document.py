"""profile.json: everything measured of one model, and for what was not, why."""

import os
from collections import namedtuple

from edgeshrink_device import files, stats
from edgeshrink_device.energy import power_trace, summarize_energy

__all__ = ["SCHEMA_VERSION", "Results", "Session", "build", "gather"]

SCHEMA_VERSION = 1
NO_LAYERS = "times of single layers are not taken: they would change the times of the whole"

Session = namedtuple("Session", ["facts", "runner", "source", "why", "idle", "thermal", "used", "about"])
Session.__doc__ = """What all models of one call share: the machine's facts, the runner's name, the power
source and why that one, idle windows, (thermal, its reason), device bytes used (before, after), and
the profile's `session`."""

Results = namedtuple("Results", ["opened", "warm_ups", "blocks", "times_ms", "memory"])
Results.__doc__ = """What one model's workers answered: to open (in the first launch), to warm_up (in each),
all blocks and times in order, and the memory of the launch that peaked highest."""


def gather(launches, index):
    """The `Results` of the model at `index`, from all launches."""
    finished = [launch.finished[index] for launch in launches]
    memories = [answer["memory"] for answer in finished]
    return Results(
        launches[0].opened[index],
        [launch.warm_up[index] for launch in launches],
        [block for launch in launches for block in launch.blocks[index]],
        [time for answer in finished for time in answer["times_ms"]],
        max(memories, key=lambda memory: memory["process_peak"] or 0),
    )


def build(target, results, session):
    """The profile of one model as a JSON-able dict."""
    opened, times = results.opened, results.times_ms
    summary = stats.summarize(times, stats.group_runs(results.blocks), seed=session.about["seed"])
    energy, no_energy = summarize_energy(
        session.source, session.why, results.blocks, session.idle, seed=session.about["seed"]
    )
    thermal, no_thermal = session.thermal
    trace = power_trace(results.blocks)
    return {
        "schema_version": SCHEMA_VERSION,
        "emulated": opened["emulated"] or session.source.emulated,
        "device": _device(session, opened),
        "model": _model(target, opened),
        "latency_ms": {
            "end_to_end": dict(summary, times_ms=times),
            "gpu": None,
            "gpu_reason": opened["gpu_reason"],
        },
        "throughput_per_s": 1000.0 / summary["mean"],
        "memory_bytes": _memory(results.memory, session.used, opened),
        "energy_mj": energy,
        "energy_reason": no_energy,
        "parity": opened["parity"],
        "parity_reason": opened["parity_reason"],
        "thermal": thermal,
        "thermal_reason": no_thermal,
        "power_trace": trace,
        "power_trace_reason": None if trace else session.why,
        "layers": None,
        "layers_reason": NO_LAYERS,
        "warnings": _warnings(session, results.warm_ups),
        "session": session.about,
        "warm_up": results.warm_ups,
        "histogram": stats.histogram(times),
        "blocks": results.blocks,
    }


def _device(session, opened):
    facts = dict(session.facts, runner=session.runner, threads=session.about["threads"])
    facts["software"] = dict(facts["software"], **opened["versions"])
    return facts


def _model(target, opened):
    return {
        "name": target.name,
        "file": os.path.basename(target.path),
        "sha256": files.sha256(target.path),
        "bytes": os.path.getsize(target.path),
        "precision": "as exported",
        "batch": opened["batch"],
        "inputs": opened["inputs"],
        "outputs": opened["outputs"],
        "fed_with": opened["fed_with"],
    }


def _memory(process, used, opened):
    known = None not in used
    return dict(
        process,
        device_total_used={"before": used[0], "after": used[1]} if known else None,
        device_total_used_reason=None if known else "the system does not tell how much memory is in use",
        engine=None,
        engine_reason=opened["engine_reason"],
    )


def _warnings(session, warm_ups):
    facts, threads = session.facts, session.about["threads"]
    warnings = []
    unsteady = sum(not warm_up["steady"] for warm_up in warm_ups)
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
    if facts["governor"] not in (None, "performance"):
        warnings.append(
            "the clock follows the load: governor is '{}', not 'performance'".format(facts["governor"])
        )
    return warnings
