"""How far one output lies from what is expected of it: as a whole, in each sample and along two of its axes.

One limit for a whole output hides what is small in it: a detector's scores of 0 to 1 beside boxes of 0 to 640
pixels, or all samples beside one that is a thousand times larger. Floats round relative to each value, so
parts of an output are held to their own scale, too, where that is the stricter:

whole    part x largest value expected of it
channel  5 part x its largest value. A sigmoid whose argument is off by d moves by up to d / 4 in its middle
         and by d of its value in its tail: what is `part` for a score of 1 is 4 part for small scores.
         Channels lie on axis 1 or on the last. One needs 16 values, and no fewer than there are channels:
         the largest of a few values may be small by chance.
sample   25 part (half of it in FP16) x its largest value, or that of the middle sample where it is larger:
         a sample of few values may lie near zero as the difference of much larger ones.
no less  1e-6, or part / 200, of the output's scale: what is smaller beside the rest may be all rounding.
         In FP16 these are 1e-4: 0.06 beside 640 pixels, so that scores of 1 are still told apart.

INT8 has one step for a whole tensor: there only the whole is judged.
"""

from collections import namedtuple

import numpy as np

__all__ = ["Deviations", "Group", "Part", "unjudged", "worst_of"]

CHANNEL, SAMPLE = 5, 25
LEAST_PART, LEAST = 1 / 200, 1e-6
FEWEST = 16
HARDLY = 0.5  # of the values smaller than what they may differ by: worth a word

WHOLE, SAMPLES = "output", "samples"
WHERE = {
    WHOLE: "",
    SAMPLES: " in sample {} (the first is 0)",
    "channels (axis 1)": " at [:, {}]",
    "channels (last axis)": " at [..., {}]",
}

Group = namedtuple("Group", ["kind", "errors", "scales", "values", "limits"])
Group.__doc__ = """Parts of one kind (a key of WHERE) of an output; arrays with one entry a part. errors: the
largest differences; scales: the largest finite values expected; values: how many of those expected are
finite; limits: what they may differ by."""

Part = namedtuple("Part", ["where", "error", "scale", "limit", "excess"])
Part.__doc__ = """One part: where in its output, in words (empty for the whole); its entries in its group; and
its error over its limit."""


class Deviations:
    """Takes the differences of one output, feed by feed."""

    def __init__(self):
        self._samples, self._axes = [], {}
        self.nans = 0

    def add(self, differences, want, samples):
        """Take what one run gave.

        Args:
            differences: |got - expected|, float64, 0 where both are the same.
            want: What was expected, of the same shape.
            samples: How many samples it holds; they lie on the first axis where that is as long.
        """
        finite = np.isfinite(want)
        self.nans += int(np.isnan(want).sum())
        tables = [differences, np.where(finite, np.abs(want), 0), finite]
        if want.ndim == 0 or len(want) != samples:
            tables = [table[np.newaxis] for table in tables]
        for error, scale, known in zip(*tables):
            self._samples.append([_most(error), _most(scale), int(known.sum())])
        rank = tables[0].ndim
        if rank >= 3 and want.size:
            self._add_axis("channels (axis 1)", 1, tables)
            self._add_axis("channels (last axis)", rank - 1, tables)

    def groups(self, part, absolute, own_scales=True):
        """The `Group`s to judge by, the whole output first.

        Args:
            part: What floats may differ by, relative to a scale; 0 where all must be equal.
            absolute: What they may differ by in any case.
            own_scales: Whether parts of the output are held to their own scales.
        """
        errors, scales, values = np.array(self._samples, dtype=np.float64).T
        most, least = part * scales.max(), max(LEAST_PART * part, LEAST) * scales.max()
        found = [Group(WHOLE, errors.max(), scales.max(), values.sum(), most + absolute)]
        if part:
            middle = np.maximum(scales, np.median(scales))
            found.append(Group(SAMPLES, errors, scales, values, SAMPLE * part * middle))
            found += [
                Group(kind, *rows, limits=CHANNEL * part * rows[1])
                for kind, rows in sorted(self._axes.items())
                if _are_channels(rows)
            ]
        limits = [
            np.clip(group.limits, least if own_scales else most, most) + absolute for group in found[1:]
        ]
        found[1:] = [group._replace(limits=each) for group, each in zip(found[1:], limits)]
        return [Group(group.kind, *map(np.atleast_1d, group[1:])) for group in found]

    def _add_axis(self, kind, axis, tables):
        others = tuple(other for other in range(tables[0].ndim) if other != axis)
        errors, scales = (table.max(axis=others) for table in tables[:2])
        rows = np.array([errors, scales, tables[2].sum(axis=others)], dtype=np.float64)
        before = self._axes.setdefault(kind, np.zeros_like(rows))
        if before.shape == rows.shape:
            rows = np.array([*np.maximum(before[:2], rows[:2]), before[2] + rows[2]])
        else:
            rows = np.zeros((3, 0))  # of another length in each run: no channels
        self._axes[kind] = rows


def worst_of(groups):
    """The `Part` that lies furthest beyond its limit, or nearest to it."""
    parts = []
    for group in groups:
        excess = [
            error / limit if limit else 2.0 * (error > 0) for error, limit in zip(group.errors, group.limits)
        ]
        i = int(np.argmax(excess))
        numbers = (float(column[i]) for column in (group.errors, group.scales, group.limits, excess))
        parts.append(Part(WHERE[group.kind].format(i), *numbers))
    return max(parts, key=lambda part: part.excess)


def unjudged(groups, nans):
    """What the judgement says little of, in words; None where there is nothing to say.

    Args:
        groups: Of `Deviations.groups`.
        nans: How many values are expected to be NaN.

    Returns:
        The end of a sentence that begins with the output, and whether nothing at all is judged.
    """
    whole = groups[0]
    if not whole.values[0]:
        return "is expected to hold no finite number", True
    if 0 < whole.scales[0] <= whole.limits[0]:
        return "is expected to be no larger than the {:.2g} it may differ by".format(whole.limits[0]), True
    if nans:
        return "is expected to be NaN in {} of its values".format(nans), False
    for group in groups[1:]:
        small = (group.scales > 0) & (group.scales <= group.limits)
        if group.values[small].sum() > HARDLY * whole.values[0]:
            return "may differ by {:.2g}: more than all that is expected in {} of its {} {}".format(
                group.limits[small].max(), small.sum(), len(small), group.kind
            ), False
    return None, False


def _are_channels(rows):
    count = rows.shape[1]
    return count > 1 and rows[2].min() >= max(FEWEST, count)


def _most(values):
    return float(values.max()) if values.size else 0.0
