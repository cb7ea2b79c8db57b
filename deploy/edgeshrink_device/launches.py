"""One launch: every model loaded in a fresh process, warmed up, then measured in turns with the others.

A process keeps for its whole life where its code, weights and buffers came to lie, and runs a few percent
faster or slower for it: the same model in two processes differs by more than either's own scatter tells. So a
measurement is made of several launches, and they are what its intervals resample.
"""

import math
import time
from collections import namedtuple

from edgeshrink_device import memory
from edgeshrink_device.interleave import measure_rounds, sample_idle
from edgeshrink_device.loads import measure_loads
from edgeshrink_device.workers import Workers

__all__ = ["LAUNCHES", "Device", "Launch", "run_launches"]

LAUNCHES = 8  # the 95% t factor is 2.4 for 8, 2.8 for 5, 2.3 for 10, and each costs a load
ROUNDS = 4  # with 8 launches of 3 s in all, blocks of 0.1 s
FIRST_WARM_UP_S = 5.0
NEXT_WARM_UP_S = 1.0

Share = namedtuple("Share", ["launch", "began", "rounds", "seconds", "runs"])
Share.__doc__ = """What one launch has to do: its number, when the session began, rounds, and for each model
seconds and runs of timed work, at least."""

Launch = namedtuple(
    "Launch", ["opened", "warm_up", "blocks", "finished", "added", "turns", "layers", "idle", "device_used"]
)
Launch.__doc__ = """One launch's answers, a list with one entry a model each: to open, warm_up, block and
finish, bytes the device used more with it loaded (None where not known), its loads, and its layers (None but
in the last launch); idle windows of a counter; bytes used on the device with everything loaded."""

Device = namedtuple("Device", ["name", "options", "rounds", "loads"])
Device.__new__.__defaults__ = (ROUNDS, True)
Device.__doc__ = """What the models run on: the runner's name, what `Runner.make` takes for each model, and in
how many blocks a launch measures each, and whether loads for a power meter can be told from the rest."""


def run_launches(targets, device, plan, meter, loads, tell):
    """Measure the models in `plan["launches"]` launches.

    Args:
        targets: What to measure.
        device: A `Device`.
        plan: `seconds`, `runs`, `launches`, `threads`, `seed` and `shapes`.
        meter: The power source, started.
        loads: Which loads to run for it: an `edgeshrink_device.loads.Loads`.
        tell: Called as tell(model_name, phase, fraction of all launches done).

    Returns:
        One `Launch` a launch; parity is checked in the first, idle power taken in the first and the last.
    """
    began, count = time.perf_counter(), plan["launches"]
    launches = []
    for number in range(count):
        share = Share(number, began, device.rounds, plan["seconds"] / count, math.ceil(plan["runs"] / count))
        part = _Part(targets, tell, number, count)
        launches.append(_launch(targets, device, plan, share, meter, loads, part))
    return launches


def _launch(targets, device, plan, share, meter, loads, part):
    first, last = share.launch == 0, share.launch == plan["launches"] - 1
    with Workers([target.name for target in targets]) as workers:
        opened, warmed, added = ([None] * len(targets) for _ in range(3))
        for step in range(len(targets)):
            index = (step + share.launch) % len(targets)
            part.tell("load", 0.0, 0.2)(index, step / len(targets))
            before = memory.pick().device_used()
            opened[index] = _open(
                workers[index], targets[index], device.name, device.options[index], plan, first
            )
            part.tell("warm up", 0.0, 0.2)(index, (step + 0.5) / len(targets))
            warmed[index] = workers[index].ask(
                "warm_up", limit_s=FIRST_WARM_UP_S if first else NEXT_WARM_UP_S
            )
            added[index] = _more(before, memory.pick().device_used())
        idle = sample_idle(meter) if first else []
        half = 0.5 if share.launch in loads.launches else 1.0
        blocks = measure_rounds(workers, share, meter, part.tell("measure", 0.2, half))
        used = memory.pick().device_used()
        turns = measure_loads(workers, share.launch, loads, part.tell("power", half, 1.0))
        idle += sample_idle(meter) if last else []
        finished = [worker.ask("finish") for worker in workers]
        layers = [worker.ask("layers") if last else None for worker in workers]
    return Launch(opened, warmed, blocks, finished, added, turns, layers, idle, used)


def _more(before, after):
    return None if before is None or after is None else after - before


def _open(worker, target, device, options, plan, check):
    return worker.ask(
        "open",
        device=device,
        options=options,
        model=target.path,
        threads=plan["threads"],
        samples=target.samples,
        seed=plan["seed"],
        check=check,
        shapes=plan["shapes"],
    )


class _Part:
    """Turns a fraction of a phase of one launch into the fraction of all launches."""

    def __init__(self, targets, tell, number, count):
        self._names = [target.name for target in targets]
        self._tell, self._number, self._count = tell, number, count

    def tell(self, phase, start, end):
        """A function of (model's index, fraction of the phase); start and end: the phase's in the launch."""
        return lambda index, fraction: self._tell(
            self._names[index], phase, (self._number + start + fraction * (end - start)) / self._count
        )
