"""Warm-up: run until the times are steady, and not for ever."""

__all__ = ["warm_up"]

LIMIT_S = 5.0
WINDOW_S = 0.1
WINDOW_RUNS = 3
WINDOWS = 3
SPREAD = 0.05


def warm_up(run_once):
    """Run until steady: the medians of three windows in a row lie within 5% of each other.

    A window lasts 0.1 s and at least 3 runs. After 5 s (and 3 runs) the warm-up ends unsteady.

    Args:
        run_once: Runs the model once and returns how long that took, seconds.

    Returns:
        `runs`, `seconds`, `steady` and `median_ms` of the last window.
    """
    medians = []
    runs, elapsed = 0, 0.0
    while True:
        times = _window(run_once, LIMIT_S - elapsed)
        runs += len(times)
        elapsed += sum(times)
        medians.append(sorted(times)[len(times) // 2])
        last = medians[-WINDOWS:]
        steady = len(last) == WINDOWS and max(last) <= min(last) * (1 + SPREAD)
        if steady or elapsed >= LIMIT_S:
            return {"runs": runs, "seconds": elapsed, "steady": steady, "median_ms": medians[-1] * 1000}


def _window(run_once, left_s):
    times = []
    while len(times) < WINDOW_RUNS or sum(times) < min(WINDOW_S, left_s):
        times.append(run_once())
    return times
