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
from edgeshrink_device.workers import Workers

__all__ = ["LAUNCHES", "Launch", "run_launches"]

LAUNCHES = 8  # the 95% t factor is 2.4 for 8, 2.8 for 5, 2.3 for 10, and each costs a load
ROUNDS = 4  # with 8 launches of 3 s in all, blocks of 0.1 s
FIRST_WARM_UP_S = 5.0
NEXT_WARM_UP_S = 1.0

Share = namedtuple("Share", ["launch", "began", "rounds", "seconds", "runs"])
Share.__doc__ = """What one launch has to do: its number, when the session began, rounds, and for each model
seconds and runs of timed work, at least."""

Launch = namedtuple("Launch", ["opened", "warm_up", "blocks", "finished", "idle", "device_used"])
Launch.__doc__ = """One launch's answers, a list with one entry a model each; idle windows; bytes used on the
device with everything loaded."""


def run_launches(targets, device, plan, meter, tell):
    """Measure the models in `plan["launches"]` launches.

    Args:
        targets: What to measure.
        device: Name of the runner.
        plan: `seconds`, `runs`, `launches`, `threads` and `seed`.
        meter: The power source, started.
        tell: Called as tell(model_name, phase, fraction of all launches done).

    Returns:
        One `Launch` a launch; parity is checked in the first, idle power taken in the first and the last.
    """
    began, count = time.perf_counter(), plan["launches"]
    launches = []
    for number in range(count):
        share = Share(number, began, ROUNDS, plan["seconds"] / count, math.ceil(plan["runs"] / count))
        launches.append(_launch(targets, device, plan, share, meter, _Part(targets, tell, number, count)))
    return launches


def _launch(targets, device, plan, share, meter, part):
    first, last = share.launch == 0, share.launch == plan["launches"] - 1
    with Workers([target.name for target in targets]) as workers:
        opened, warmed = [None] * len(targets), [None] * len(targets)
        for step in range(len(targets)):
            index = (step + share.launch) % len(targets)
            part.tell("load", 0.0, 0.2)(index, step / len(targets))
            opened[index] = _open(workers[index], targets[index], device, plan, first)
            part.tell("warm up", 0.0, 0.2)(index, (step + 0.5) / len(targets))
            warmed[index] = workers[index].ask(
                "warm_up", limit_s=FIRST_WARM_UP_S if first else NEXT_WARM_UP_S
            )
        idle = sample_idle(meter) if first else []
        blocks = measure_rounds(workers, share, meter, part.tell("measure", 0.2, 1.0))
        used = memory.pick().device_used()
        idle += sample_idle(meter) if last else []
        finished = [worker.ask("finish") for worker in workers]
    return Launch(opened, warmed, blocks, finished, idle, used)


def _open(worker, target, device, plan, check):
    return worker.ask(
        "open",
        device=device,
        model=target.path,
        threads=plan["threads"],
        samples=target.samples,
        seed=plan["seed"],
        check=check,
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
