"""The profiler: every model in a process of its own, warmed up, then timed in alternating blocks."""

import uuid
from contextlib import contextmanager

from edgeshrink_device import memory, power
from edgeshrink_device.errors import InputError
from edgeshrink_device.runners import RUNNERS
from edgeshrink_device.targets import find_targets
from edgeshrink_device.thermal import Thermal
from edgeshrink_device.workers import Workers

__all__ = ["profile_models"]


def profile_models(
    paths,
    device="cpu",
    seconds=3.0,
    runs=50,
    threads=1,
    power_source="auto",
    samples=None,
    baseline=True,
    seed=0,
    progress=None,
):
    """Measure models side by side; nothing is written.

    Args:
        paths: Bundle folders (their baseline.onnx and model.onnx, in that order) and model files.
        device: Runner to measure on; "cpu" is ONNX Runtime.
        seconds: Timed work of each model, at least, s.
        runs: Timed runs of each model, at least.
        threads: Threads inside an operator. One by default: on a machine shared with anything else, two
        threads
            wait for each other's core and the figures measure that.
        power_source: "auto", or the name of a power source.
        samples: Path of an .npz to feed instead of the bundles' own samples.
        baseline: Whether a bundle's baseline.onnx is measured beside its model.onnx.
        seed: Seed of random inputs and of the resampling.
        progress: Called as progress(model_name, phase, fraction of the whole call done).

    Returns:
        One profile.json document (a dict) a model, in the order of `paths`. A failing parity does not raise:
        it stands in the document's `parity`.

    Raises:
        InputError: The call, a path or a model is wrong.
        DeviceError: A worker died, or the power source asked for does not work here.
    """
    _check_numbers(seconds, runs, threads)
    RUNNERS.get(device)
    targets = find_targets(paths, device, samples, baseline)
    source, why = power.choose(power_source)
    steps = _Steps([target.name for target in targets], progress)
    about = {
        "id": uuid.uuid4().hex,
        "models": [target.name for target in targets],
        "seconds": seconds,
        "runs": runs,
        "threads": threads,
        "seed": seed,
        "rounds": None,
    }
    with Workers([target.name for target in targets]) as workers:
        return _measure(targets, workers, device, (source, why), about, steps)


def _measure(targets, workers, device, metered, about, steps):
    from edgeshrink_device import document, machine
    from edgeshrink_device.interleave import ROUNDS, measure_rounds, sample_idle

    about["rounds"] = ROUNDS
    source, why = metered
    facts, thermal, used_before = machine.facts(), Thermal(), _used()
    opened = [
        worker.ask(
            "open",
            device=device,
            model=target.path,
            threads=about["threads"],
            samples=target.samples,
            seed=about["seed"],
        )
        for worker, target in steps.each("load", 0.0, 0.1, list(zip(workers, targets)))
    ]
    warmed = [worker.ask("warm_up") for worker in steps.each("warm-up", 0.1, 0.25, workers)]
    with _started(source):
        idle = sample_idle(source)
        blocks = measure_rounds(
            workers, about["seconds"], about["runs"], source, steps.inside("measure", 0.25, 0.95)
        )
        idle += sample_idle(source)
    used = (used_before, _used())
    finished = [worker.ask("finish") for worker in steps.each("collect", 0.95, 1.0, workers)]
    session = document.Session(facts, device, source, why, idle, thermal.read(), used, about)
    results = map(document.Results, opened, warmed, blocks, finished)
    return [document.build(target, result, session) for target, result in zip(targets, results)]


def _check_numbers(seconds, runs, threads):
    for name, value, least in (("seconds", seconds, 0), ("runs", runs, 1), ("threads", threads, 1)):
        if not least <= value < float("inf"):
            raise InputError("{} must be at least {}, not {}".format(name, least, value))


def _used():
    return memory.pick().device_used()


@contextmanager
def _started(source):
    source.start()
    try:
        yield
    finally:
        source.stop()


class _Steps:
    """Tells the caller's progress function how far the whole call is."""

    def __init__(self, names, progress):
        self._names = names
        self._progress = progress or (lambda name, phase, fraction: None)

    def each(self, phase, start, end, items):
        """The items in turn, each announced as it is taken."""
        tell = self.inside(phase, start, end)
        for index, item in enumerate(items):
            tell(index, index / len(items))
            yield item
        tell(len(items) - 1, 1.0)

    def inside(self, phase, start, end):
        """A function of (index, fraction of the phase)."""
        return lambda index, fraction: self._progress(
            self._names[index], phase, start + fraction * (end - start)
        )
