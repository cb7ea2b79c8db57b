"""Models measured in turns: short blocks A B, B A, A B, ... so that what drifts, drifts for all of them."""

import math
import time

__all__ = ["measure_rounds", "sample_idle"]

IDLE_S = 2.0
IDLE_WINDOWS = 20


def measure_rounds(workers, share, meter, tell):
    """Let every worker measure one block a round, the order turned by one each round.

    Args:
        workers: What `ask("block", ...)` is sent to, one a model.
        share: What this launch has to do: a `Share`.
        meter: The power source; its counter is read at both ends of each block.
        tell: Called with a worker's index and the fraction done.

    Returns:
        For each worker its blocks in order: `launch`, `round`, `position` in the round, `start_s` on the
        session's clock, `runs`, `lead_in_runs`, timed `seconds`, `window_s` from counter to counter and
        `energy_j` between them (null without a meter).
    """
    blocks = [[] for _ in workers]
    for turn in range(share.rounds):
        for position in range(len(workers)):
            index = (position + turn + share.launch) % len(workers)
            tell(index, (turn * len(workers) + position) / (share.rounds * len(workers)))
            block = {"launch": share.launch, "round": turn, "position": position}
            block.update(_window(workers[index], share, meter))
            blocks[index].append(block)
    return blocks


def sample_idle(meter):
    """Energy of the loaded but idle machine, in 20 windows of 0.1 s.

    Returns:
        (joules, seconds) a window; empty without a meter.
    """
    if meter.joules() is None:
        return []
    windows = []
    for _ in range(IDLE_WINDOWS):
        start, before = time.perf_counter(), meter.joules()
        time.sleep(IDLE_S / IDLE_WINDOWS)
        windows.append((meter.joules() - before, time.perf_counter() - start))
    return windows


def _window(worker, share, meter):
    before, start = meter.joules(), time.perf_counter()
    block = worker.ask(
        "block", seconds=share.seconds / share.rounds, runs=math.ceil(share.runs / share.rounds)
    )
    after, end = meter.joules(), time.perf_counter()
    block["start_s"] = round(start - share.began, 6)
    block["window_s"] = round(end - start, 6)
    block["energy_j"] = None if before is None else after - before
    return block
