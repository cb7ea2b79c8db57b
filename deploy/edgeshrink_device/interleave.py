"""Models measured in turns: short blocks A B, B A, A B, ... so that what drifts, drifts for all of them."""

import math
import time

__all__ = ["ROUNDS", "measure_rounds", "sample_idle"]

ROUNDS = 30  # blocks a model: enough to resample, short enough (0.1 s of 3 s) to share what drifts
IDLE_S = 2.0
IDLE_WINDOWS = 20


def measure_rounds(workers, seconds, runs, meter, progress, rounds=ROUNDS):
    """Let every worker measure one block a round, the order turned by one each round.

    Args:
        workers: What `ask("block", ...)` is sent to, one a model.
        seconds: Timed work of each model in all rounds together, at least.
        runs: Timed runs of each model in all rounds together, at least.
        meter: The power source; its counter is read at both ends of each block.
        progress: Called with a worker's index and the fraction done.
        rounds: Number of rounds.

    Returns:
        For each worker its blocks in order: `round`, `position` in the round, `start_s` since the first
        block, `runs`, `lead_in_runs`, timed `seconds`, `window_s` from counter to counter and `energy_j`
        between them (null without a meter).
    """
    blocks = [[] for _ in workers]
    began = time.perf_counter()
    for turn in range(rounds):
        for position in range(len(workers)):
            index = (position + turn) % len(workers)
            progress(index, (turn * len(workers) + position) / (rounds * len(workers)))
            block = _window(workers[index], seconds / rounds, math.ceil(runs / rounds), meter, began)
            blocks[index].append(dict([("round", turn), ("position", position)], **block))
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


def _window(worker, seconds, runs, meter, began):
    before, start = meter.joules(), time.perf_counter()
    block = worker.ask("block", seconds=seconds, runs=runs)
    after, end = meter.joules(), time.perf_counter()
    block["start_s"] = round(start - began, 6)
    block["window_s"] = round(end - start, 6)
    block["energy_j"] = None if before is None else after - before
    return block
