"""Steps of random networks that sum over channels, copy them, and normalize them in groups."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from tests.bake.random_graphs import Builder

__all__ = ["COPIES"]


def reduce(b: Builder) -> None:
    """A sum, mean, norm or extreme over channels, positions or both."""
    source = b.one_of()
    if source is None:
        return
    shape = b.shapes[source]
    rank = len(shape)
    axes = [axis for axis in range(1, rank + 1) if b.chance(50)] or [1]
    kinds = ("Sum", "Sum", "Mean", "Mean", "L1", "L2", "SumSquare", "LogSumExp", "Max", "Min", "Prod")
    op = f"Reduce{b.pick(*kinds)}"
    inputs = [source, b.whole(*(axis - b.pick(0, rank + 1) for axis in axes))]
    left = tuple(size for axis, size in enumerate(shape, start=1) if axis not in axes)
    if len(left) == 1 and b.chance(50):
        b.add(op, inputs, left, keepdims=0)
        return
    ones = tuple(1 if axis in axes else size for axis, size in enumerate(shape, start=1))
    name = b.add(op, inputs, ones, keepdims=1)
    if b.chance(50):
        b.add(str(b.pick("Sub", "Mul", "Add")), [source, name], shape)


def expand(b: Builder) -> None:
    """Axes of length 1 become longer; so may a constant of one number for each channel."""
    source = b.one_of()
    if source is None:
        return
    shape = b.shapes[source]
    long = tuple(b.integer(1, 4) if size == 1 else size for size in shape)
    asked = [size if size != own else b.pick(1, size) for size, own in zip(long, shape, strict=True)]
    name = b.add("Expand", [source, b.whole(1, *asked)], long)
    if b.chance(30):
        array = b.vector(long[0]).reshape(-1, *[1] * (len(long) - 1))
        table = b.inner("Expand", [b.weight(array), b.whole(*long)], long)
        b.add(str(b.pick("Add", "Mul")), [name, table], long)


def tile(b: Builder) -> None:
    """Some axes come several times."""
    source = b.one_of()
    if source is None:
        return
    shape = b.shapes[source]
    repeats = [b.integer(1, 3) if size <= 4 and b.chance(60) else 1 for size in shape]
    if np.prod(shape) * np.prod(repeats) <= 300:
        long = tuple(size * number for size, number in zip(shape, repeats, strict=True))
        b.add("Tile", [source, b.whole(1, *repeats)], long)


def repeat_channels(b: Builder) -> None:
    """Each channel several times, next to each other, as keys are for the heads that share them."""
    source = b.one_of(3)
    if source is None:
        return
    c, h, w = b.shapes[source]
    times = b.integer(1, 3)
    if c * times > 12:
        return
    x = b.inner("Unsqueeze", [source, b.whole(2)], (c, 1, h, w))
    x = b.inner("Expand", [x, b.whole(1, c, times, b.pick(1, h), w)], (c, times, h, w))
    if b.chance(30):
        x = b.inner("Add", [x, b.weight(b.vector(times).reshape(-1, 1, 1))], (c, times, h, w))
    b.add("Reshape", [x, b.whole(0, b.pick(-1, c * times), h, w)], (c * times, h, w))


def group_norm(b: Builder) -> None:
    """What exporters write before opset 21; some scales are zero."""
    source = b.one_of(3)
    if source is None:
        return
    c, h, w = b.shapes[source]
    groups = int(b.pick(*(g for g in range(1, c + 1) if c % g == 0)))
    x = b.inner("Reshape", [source, b.whole(0, groups, -1)], (groups, c // groups * h * w))
    ones = [b.weight(np.ones(groups)), b.weight(np.zeros(groups))]
    # Divided by the root of epsilon, a constant's rounding would be 300 times as large by default.
    x = b.inner("InstanceNormalization", [x, *ones], (groups, c // groups * h * w), epsilon=0.1)
    x = b.inner("Reshape", [x, b.whole(0, c, h, w)], (c, h, w))
    x = b.inner("Mul", [x, b.weight(b.vector(c).reshape(-1, 1, 1))], (c, h, w))
    b.add("Add", [x, b.weight(b.vector(c).reshape(-1, 1, 1))], (c, h, w))


def normalize(b: Builder) -> None:
    """Normalized over the last axes or over one axis, channels or positions; some scales are zero."""
    source = b.one_of()
    if source is None:
        return
    shape = b.shapes[source]
    rank = len(shape) + 1
    kind = str(b.pick("LayerNormalization", "LogSoftmax", "LpNormalization"))
    axis = b.integer(1, rank - 1)
    if kind != "LayerNormalization":
        b.add(kind, [source], shape, axis=b.pick(axis, axis - rank))
        return
    normal = shape[axis - 1 :]
    parameters = [b.vector(int(np.prod(normal))).reshape(normal) for _ in range(b.integer(1, 2))]
    inputs = [source, *map(b.weight, parameters)]
    b.add(kind, inputs, shape, axis=b.pick(axis, axis - rank), epsilon=0.1)  # see group_norm


def guarded_softmax(b: Builder) -> None:
    """Shares of what a stored mask leaves, zero where it leaves nothing, and what they weigh."""
    source = b.one_of(3)
    if source is None:
        return
    c, h, w = b.shapes[source]
    mask = np.where(b.random.random((h, h)) < b.pick(0.2, 0.5), -np.inf, 0.0)
    if b.chance(70):
        np.fill_diagonal(mask, 0.0)
    scores = b.inner("MatMul", [source, b.weight(b.masked(h, w).T)], (c, h, h))
    scores = b.inner("Add", [scores, b.weight(mask)], (c, h, h))
    shares = b.inner("Softmax", [scores], (c, h, h), axis=-1)
    holds = b.inner("IsNaN", [shares], (c, h, h))
    shares = b.inner("Where", [holds, b.weight(np.array(0.0)), shares], (c, h, h))
    b.add("MatMul", [shares, source], (c, h, w))


COPIES = (
    *((reduce, 3), (expand, 1), (tile, 1), (repeat_channels, 1)),
    *((group_norm, 2), (normalize, 2), (guarded_softmax, 1)),
)
"""Steps and how often they are drawn."""
