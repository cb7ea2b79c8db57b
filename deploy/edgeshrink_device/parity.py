"""Whether a model on this device gives what the bundle says it should.

Floats may differ by a part of the output's scale (the largest value expected of it in any sample) plus a
small absolute part; everything else must be equal. How large the part is follows from what rounds:

float32 on a CPU   2e-5: 2^-24 an operation, sums in another order
fp32 on a GPU      2e-4: TF32 is off, but Winograd convolutions round some ten times more coarsely
fp16               2e-2: 2^-11 = 5e-4 a rounding; over a hundred layers these add up like a random walk,
                   tenfold; chips without tensor cores (Nano, TX2) sum in float16, too
int8               1e-1: half a step of 1/127 is 4e-3, over a hundred layers 4e-2, and calibration cuts off
                   the largest values. Whether a network still decides as before, labels tell better.
"""

import numpy as np

__all__ = ["check", "not_finite"]

RELATIVE = {"float16": 5e-3, "float32": 2e-5, "float64": 2e-5}
COMPUTED_IN = {"fp32": 2e-4, "fp16": 2e-2, "int8": 1e-1}
ABSOLUTE = 1e-6


def check(run, feeds, expected, names, samples, precision=None):
    """Run every feed and compare.

    Args:
        run: Takes a feed, gives the outputs in order.
        feeds: The inputs.
        expected: For each feed the outputs expected, in order.
        names: The outputs' names.
        samples: How many samples the feeds hold together.
        precision: What an engine computes in: "fp32", "fp16" or "int8"; None: the tolerance of the outputs'
            own types.

    Returns:
        `ok`, `samples`, `max_abs_error`, `max_abs_allowed` and `max_rel_error` (of the worst output, relative
        to its scale; null when a value is not finite or a shape differs), `worst_output`, `tolerance` and
        `reason` (null when ok).
    """
    scales = [max(_scale(row[i]) for row in expected) for i in range(len(names))]
    worst = [0.0] * len(names)
    dtypes = [""] * len(names)
    for feed, row in zip(feeds, expected):
        for i, (got, want) in enumerate(zip(run(feed), row)):
            error, reason = _error(np.asarray(got), want)
            if reason:
                return _failed(names[i], samples, reason)
            worst[i] = max(worst[i], error)
            dtypes[i] = np.asarray(got).dtype.name
    parts = [_relative(dtype, precision) for dtype in dtypes]
    return _judged(names, worst, scales, parts, samples)


def _judged(names, worst, scales, parts, samples):
    limits = [part * scale + _absolute(part) for part, scale in zip(parts, scales)]
    excess = [error / limit if limit else float(error > 0) * 2 for error, limit in zip(worst, limits)]
    i = int(np.argmax(excess))
    ok = excess[i] <= 1
    reason = "output '{}' differs by {:.3g}, allowed are {:.3g}".format(names[i], worst[i], limits[i])
    return {
        "ok": ok,
        "samples": samples,
        "max_abs_error": worst[i],
        "max_abs_allowed": limits[i],
        "max_rel_error": worst[i] / scales[i] if scales[i] else None,
        "worst_output": names[i],
        "tolerance": {"relative_to_scale": parts[i], "absolute": _absolute(parts[i])},
        "reason": None if ok else reason,
    }


def _failed(name, samples, reason):
    return {
        "ok": False,
        "samples": samples,
        "max_abs_error": None,
        "max_abs_allowed": None,
        "max_rel_error": None,
        "worst_output": name,
        "tolerance": None,
        "reason": "output '{}' {}".format(name, reason),
    }


def not_finite(outputs, names):
    """The names of outputs that hold NaN or infinity: where nothing is expected, that much can be told."""
    return [name for name, output in zip(names, outputs) if not np.isfinite(np.asarray(output)).all()]


def _relative(dtype, precision):
    """The part of its scale that an output may differ by; 0 for all but floats."""
    own = RELATIVE.get(dtype, 0.0)
    return max(own, COMPUTED_IN.get(precision, 0.0)) if own else 0.0


def _absolute(part):
    return ABSOLUTE if part else 0.0


def _scale(array):
    values = np.abs(array[np.isfinite(array)].astype(np.float64))
    return float(values.max()) if values.size else 0.0


def _error(got, want):
    """The largest difference, or why there is none to give."""
    if want.shape != got.shape and want.shape == (1, *got.shape):
        want = want[0]
    if want.shape != got.shape:
        return None, "has shape {}, expected {}".format(list(got.shape), list(want.shape))
    same = (got == want) | ((got != got) & (want != want))
    if not np.isfinite(got[~same]).all() or not np.isfinite(want[~same]).all():
        return None, "holds NaN or infinity where the samples do not, or the other way round"
    difference = np.abs(got[~same].astype(np.float64) - want[~same].astype(np.float64))
    return (float(difference.max()) if difference.size else 0.0), ""
