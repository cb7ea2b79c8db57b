"""Whether a model on this device gives what the bundle says it should.

Floats may differ by a part of the output's scale (the largest value expected of it in any sample) plus a
small absolute part; everything else must be equal. Channels and samples are held to scales of their own, too:
see `edgeshrink_device.deviations`. How large the part is follows from what rounds:

float32 on a CPU   2e-5: 2^-24 an operation, sums in another order
fp32 on a GPU      2e-4: TF32 is off, but Winograd convolutions round some ten times more coarsely
fp16               2e-2: 2^-11 = 5e-4 a rounding; over a hundred layers these add up like a random walk,
                   tenfold; chips without tensor cores (Nano, TX2) sum in float16, too
int8               1e-1: half a step of 1/127 is 4e-3, over a hundred layers 4e-2, and calibration cuts off
                   the largest values. Whether a network still decides as before, labels tell better.
"""

import numpy as np

from edgeshrink_device.deviations import Deviations, unjudged, worst_of

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
        to its scale; null when a value is not finite or a shape differs; where only a part of it fails, of
        that part), `worst_output`, `tolerance`, `reason` (null when ok), `remarks` (sentences on what this
        says little of) and `judged` (False where it says nothing of any output).
    """
    found, dtypes = [Deviations() for _ in names], [""] * len(names)
    for feed, row in zip(feeds, expected):
        for i, (got, want) in enumerate(zip(run(feed), row)):
            differences, want, reason = _differences(np.asarray(got), want)
            if reason:
                return _failed(names[i], samples, reason)
            found[i].add(differences, want, samples // len(feeds))
            dtypes[i] = np.asarray(got).dtype.name
    parts = [_relative(dtype, precision) for dtype in dtypes]
    groups = [
        each.groups(part, _absolute(part), own_scales=precision != "int8") for each, part in zip(found, parts)
    ]
    told = [unjudged(each, one.nans) for each, one in zip(groups, found)]
    return dict(
        _judged(names, groups, parts, samples),
        remarks=["output '{}' {}".format(name, words) for name, (words, _) in zip(names, told) if words],
        judged=not all(nothing for _, nothing in told),
    )


def _judged(names, groups, parts, samples):
    whole = [worst_of(each[:1]) for each in groups]
    if all(part.excess <= 1 for part in whole):
        within = [worst_of(each) for each in groups]
        worst = [small if small.excess > 1 else large for large, small in zip(whole, within)]
    else:
        worst = whole
    i = int(np.argmax([part.excess for part in worst]))
    ok = worst[i].excess <= 1
    reason = "output '{}' differs by {:.3g}{}, allowed are {:.3g}".format(
        names[i], worst[i].error, worst[i].where, worst[i].limit
    )
    return {
        "ok": ok,
        "samples": samples,
        "max_abs_error": worst[i].error,
        "max_abs_allowed": worst[i].limit,
        "max_rel_error": worst[i].error / worst[i].scale if worst[i].scale else None,
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
        "remarks": [],
        "judged": True,
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


def _differences(got, want):
    """|got - want| (float64, 0 where both are the same), want in got's shape, or why there are none."""
    if want.shape != got.shape and want.shape == (1, *got.shape):
        want = want[0]
    if want.shape != got.shape:
        return None, want, "has shape {}, expected {}".format(list(got.shape), list(want.shape))
    same = (got == want) | ((got != got) & (want != want))
    if not np.isfinite(got[~same]).all() or not np.isfinite(want[~same]).all():
        return None, want, "holds NaN or infinity where the samples do not, or the other way round"
    differences = np.zeros(want.shape)
    with np.errstate(over="ignore"):
        np.subtract(got, want, out=differences, where=~same, dtype=np.float64)
    np.abs(differences, out=differences)
    if not np.isfinite(differences).all():
        return None, want, "differs by more than a number can say"
    if got.dtype.kind in "iub":  # float64 rounds those beyond 2^53 to one number
        np.maximum(differences, ~same, out=differences)
    return differences, want, ""
