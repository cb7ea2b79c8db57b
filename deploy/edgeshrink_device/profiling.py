"""The profiler: models side by side, each in processes of its own, timed in alternating blocks."""

import time
import uuid
from contextlib import contextmanager

from edgeshrink_device import boards, machine, power, state
from edgeshrink_device.asked_shapes import asked_sizes
from edgeshrink_device.errors import InputError
from edgeshrink_device.inference.preparing import EngineOptions, prepare, refuse
from edgeshrink_device.launches import LAUNCHES, Device, run_launches
from edgeshrink_device.loads import plan_loads, require_long_enough
from edgeshrink_device.model_file import identify, measured
from edgeshrink_device.runners import RUNNERS, require_runner
from edgeshrink_device.sampler import Sampler
from edgeshrink_device.targets import find_targets
from edgeshrink_device.thermal import Thermal, ThermalWatch

__all__ = ["profile_models"]


def profile_models(
    paths,
    device="cpu",
    seconds=3.0,
    runs=50,
    launches=LAUNCHES,
    threads=1,
    power_source="auto",
    load_seconds=None,
    samples=None,
    baseline=True,
    seed=0,
    engines=None,
    shapes=None,
    progress=None,
):
    """Measure models side by side; nothing is written.

    Args:
        paths: Bundle folders (their baseline.onnx and model.onnx, in that order) and model files.
        device: Runner to measure on; "cpu" is ONNX Runtime, "jetson" TensorRT on this board's GPU.
        seconds: Timed work of each model in all launches together, at least, s.
        runs: Timed runs of each model in all launches together, at least.
        launches: How many fresh processes each model is measured in. Two processes of one model differ by a
            few percent, so with fewer than 5 the intervals hold for those processes only.
        threads: Threads inside an operator. One by default: on a machine shared with anything else, two
            threads wait for each other's core and the figures measure that.
        power_source: "auto", or the name of a power source.
        load_seconds: For power sources that sample, how long each model is loaded to measure its energy, s;
            0 for no such loads, None for as long as the source needs (20 s or more).
        samples: Path of an .npz to feed instead of the bundles' own samples.
        baseline: Whether a bundle's baseline.onnx is measured beside its model.onnx.
        seed: Seed of random inputs and of the resampling.
        engines: For "jetson" and "tensorrt": an `inference.preparing.EngineOptions`. Engines that are not
            there are built first.
        shapes: {input: sizes} to measure open inputs at, in place of their manifest's opt.
        progress: Called as progress(model_name, phase, fraction of the whole call done).

    Returns:
        One profile.json document (a dict) a model, in the order of `paths`. A failing parity does not raise:
        it stands in the document's `parity`.

    Raises:
        InputError: The call, a path or a model is wrong.
        DeviceError: A worker died, or the power source asked for does not work here.
    """
    _check_numbers(seconds, runs, launches, threads, load_seconds or 0, seed)
    require_runner(device, boards.detect() is not None)
    targets, engines = find_targets(paths, device, samples, baseline), engines or EngineOptions()
    runs_engines = RUNNERS.get(device).runs_engines
    if not runs_engines:
        refuse(engines, device)
    for target in targets:
        asked_sizes(target.path, shapes or {}, built=runs_engines)
    metered = power.choose(power_source)
    require_long_enough(metered[0], load_seconds)
    plan = {
        "id": uuid.uuid4().hex,
        "models": [target.name for target in targets],
        "seconds": seconds,
        "runs": runs,
        "launches": launches,
        "load_seconds": load_seconds,
        "threads": threads,
        "seed": seed,
        "shapes": shapes or {},
    }
    models = [identify(target.path) for target in targets]
    options = prepare(targets, engines) if runs_engines else [None] * len(targets)
    return _measure(targets, models, _device(device, options), plan, metered, progress or _untold)


def _device(name, options):
    """The `Device`; each block is a process of trtexec's that loads the engine anew: one a launch will do."""
    if any(each and each["engine"]["run_with"] == "trtexec" for each in options):
        return Device(name, options, rounds=1, loads=False)
    return Device(name, options)


def _untold(model, phase, fraction):
    """A progress that nobody asked for."""


def _measure(targets, models, device, plan, metered, tell):
    from edgeshrink_device import document, memory

    source, why = metered
    facts, thermal, before = machine.facts(), Thermal(), memory.state()
    began = time.perf_counter()
    with _started(source) as sampler, ThermalWatch(thermal):
        loads = plan_loads(source, plan["load_seconds"] if device.loads else 0, plan["launches"])
        launches = run_launches(targets, device, plan, source, loads, tell)
    idle = [window for launch in launches for window in launch.idle]
    after = dict(memory.state(), used=launches[-1].device_used)
    trace = sampler.trace() if sampler else None
    session = document.Session(
        facts,
        state.changes(facts, machine.facts()),
        device.name,
        source,
        why,
        idle,
        trace,
        began,
        thermal.read(),
        (before, after),
        plan,
    )
    models = [
        measured(target.path, model, options and options["engine"])
        for target, model, options in zip(targets, models, device.options)
    ]
    return [
        document.build(target, model, document.gather(launches, i), session)
        for i, (target, model) in enumerate(zip(targets, models))
    ]


def _check_numbers(seconds, runs, launches, threads, load_seconds, seed):
    least = (
        ("seconds", seconds, 0),
        ("runs", runs, 1),
        ("launches", launches, 1),
        ("threads", threads, 1),
        ("load_seconds", load_seconds, 0),
    )
    for name, value, limit in least:
        if not limit <= value < float("inf"):
            raise InputError("{} must be at least {}, not {}".format(name, limit, value))
    if not 0 <= seed < 1 << 32:  # what numpy's generator takes
        raise InputError("seed must be from 0 to {}, not {}".format((1 << 32) - 1, seed))


@contextmanager
def _started(source):
    """The source running; gives the `Sampler` of one that samples, None for a counter."""
    if isinstance(source, power.SampledSource):
        with Sampler(source) as sampler:
            yield sampler
        return
    source.start()
    try:
        yield None
    finally:
        source.stop()
