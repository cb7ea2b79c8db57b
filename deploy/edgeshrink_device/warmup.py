"""Warm-up: run until the times are steady, and not for ever."""

__all__ = ["warm_up"]

WINDOW_S = 0.05
WINDOW_RUNS = 3
WINDOWS = 3
SPREAD = 0.05


def warm_up(run_once, limit_s):
    """Run until steady: the medians of three windows in a row lie within 5% of each other.

    A window lasts 0.05 s and at least 3 runs. After `limit_s` (and 3 runs) the warm-up ends unsteady.

    Args:
        run_once: Runs the model once and returns how long that took, seconds.
        limit_s: When to give up, seconds of running.

    Returns:
        `runs`, `seconds`, `steady` and `median_ms` of the last window.
    """
    medians = []
    runs, elapsed = 0, 0.0
    while True:
        times = _window(run_once, limit_s - elapsed)
        runs += len(times)
        elapsed += sum(times)
        medians.append(sorted(times)[len(times) // 2])
        last = medians[-WINDOWS:]
        steady = len(last) == WINDOWS and max(last) <= min(last) * (1 + SPREAD)
        if steady or elapsed >= limit_s:
            return {"runs": runs, "seconds": elapsed, "steady": steady, "median_ms": medians[-1] * 1000}


def _window(run_once, left_s):
    times, spent = [], 0.0
    while len(times) < WINDOW_RUNS or spent < min(WINDOW_S, left_s):
        times.append(run_once())
        spent += times[-1]
    return times
