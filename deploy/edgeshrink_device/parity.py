"""Whether a model on this device gives what the bundle says it should.

Floats may differ by a part of the output's scale (the largest value expected of it in any sample) plus a
small absolute part; everything else must be equal.
"""

import numpy as np

__all__ = ["check"]

RELATIVE = {"float16": 5e-3, "float32": 2e-5, "float64": 2e-5}
ABSOLUTE = 1e-6


def check(run, feeds, expected, names, samples):
    """Run every feed and compare.

    Args:
        run: Takes a feed, gives the outputs in order.
        feeds: The inputs.
        expected: For each feed the outputs expected, in order.
        names: The outputs' names.
        samples: How many samples the feeds hold together.

    Returns:
        `ok`, `samples`, `max_abs_error` and `max_rel_error` (of the worst output, relative to its scale; null
        when a value is not finite or a shape differs), `worst_output`, `tolerance` and `reason` (null when
        ok).
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
    return _judged(names, worst, scales, dtypes, samples)


def _judged(names, worst, scales, dtypes, samples):
    limits = [_limit(dtype, scale) for dtype, scale in zip(dtypes, scales)]
    excess = [error / limit if limit else float(error > 0) * 2 for error, limit in zip(worst, limits)]
    i = int(np.argmax(excess))
    ok = excess[i] <= 1
    reason = "output '{}' differs by {:.3g}, allowed are {:.3g}".format(names[i], worst[i], limits[i])
    return {
        "ok": ok,
        "samples": samples,
        "max_abs_error": worst[i],
        "max_rel_error": worst[i] / scales[i] if scales[i] else None,
        "worst_output": names[i],
        "tolerance": {"relative_to_scale": RELATIVE.get(dtypes[i], 0.0), "absolute": _absolute(dtypes[i])},
        "reason": None if ok else reason,
    }


def _failed(name, samples, reason):
    return {
        "ok": False,
        "samples": samples,
        "max_abs_error": None,
        "max_rel_error": None,
        "worst_output": name,
        "tolerance": None,
        "reason": "output '{}' {}".format(name, reason),
    }


def _absolute(dtype):
    return ABSOLUTE if dtype in RELATIVE else 0.0


def _limit(dtype, scale):
    return RELATIVE.get(dtype, 0.0) * scale + _absolute(dtype)


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
