"""GridSample(x, grid) -> weighted sums of gathered neighbours, below opset 16 and for parsers without it.

The grid's points in pixels, their corners, GatherElements from the flat image: the definition of the standard
for images of two dimensions. Points outside count as zero, or are moved to the border,
or are reflected by the picture's edges as often as it takes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import onnx_ir as ir

from edgeshrink.lower.rule import NodeRule, Recorder

__all__ = ["LowerGridSample"]

LINEAR = ("linear", "bilinear")  # since opset 20, and before


@dataclass
class _Axis:
    """One axis of the image: its points in pixels, of shape (batch, rows, columns), and its size."""

    points: ir.Value
    size: int


class LowerGridSample(NodeRule):
    """Fires on float images of static shape, linear and nearest."""

    op_types = frozenset({"GridSample"})
    native_from = 16

    def rewrite(self, node: ir.Node, op: Recorder) -> Sequence[ir.Value] | None:
        """Four neighbours for linear, one for nearest."""
        x, grid = node.inputs
        mode = node.attributes.get_string("mode", "linear")
        padding = node.attributes.get_string("padding_mode", "zeros")
        if x is None or grid is None or x.dtype != ir.DataType.FLOAT or grid.dtype != ir.DataType.FLOAT:
            return None
        if x.shape is None or grid.shape is None or x.shape.rank() != 4 or mode not in (*LINEAR, "nearest"):
            return None
        if padding not in ("zeros", "border", "reflection") or not (
            x.shape.is_static() and grid.shape.is_static()
        ):
            return None
        batch, channels, height, width = x.shape.numpy()
        _, rows, columns, _ = grid.shape.numpy()
        corners = node.attributes.get_int("align_corners", 0) == 1
        axes = [
            _Axis(_pixels(grid, index, size, corners, padding, op), size)
            for index, size in ((1, height), (0, width))
        ]
        flat = op("Reshape", x, op.constant([batch, channels, height * width]))
        parts = []
        line = op.constant([batch, 1, rows * columns])
        for ys, y_weight, y_inside in _neighbours(axes[0], mode, op):
            for xs, x_weight, x_inside in _neighbours(axes[1], mode, op):
                index = op("Add", op("Mul", ys, op.constant(width)), xs)
                shape = op.constant([batch, channels, rows * columns])
                found = op("GatherElements", flat, op("Expand", op("Reshape", index, line), shape), axis=2)
                inside = op("Reshape", op("And", y_inside, x_inside), line)
                found = op("Where", inside, found, op.constant(0, x.dtype))
                if mode != "nearest":
                    found = op("Mul", found, op("Reshape", op("Mul", y_weight, x_weight), line))
                parts.append(found)
        total = parts[0]
        for part in parts[1:]:
            total = op("Add", total, part)
        return [op("Reshape", total, op.constant([batch, channels, rows, columns]))]


def _pixels(grid: ir.Value, index: int, size: int, corners: bool, padding: str, op: Recorder) -> ir.Value:
    """The grid's coordinate `index`, from -1 .. 1 to pixels: -1 and 1 are pixels' centres, or their edges."""
    part = op("Gather", grid, op.constant(index), axis=3)
    half = (size - 1) / 2 if corners else size / 2
    shift = (size - 1) / 2
    points = op(
        "Add", op("Mul", part, op.constant(half, ir.DataType.FLOAT)), op.constant(shift, ir.DataType.FLOAT)
    )
    if padding == "zeros":
        return points
    if padding == "reflection":
        points = _reflected(points, 0 if corners else -0.5, size - 1 if corners else size, op)
    low, high = op.constant(0, ir.DataType.FLOAT), op.constant(size - 1, ir.DataType.FLOAT)
    return op("Clip", points, low, high)


def _reflected(points: ir.Value, low: float, span: int, op: Recorder) -> ir.Value:
    """Folded into low .. low + span: every other stretch of that length runs backwards."""
    if not span:
        return op("Mul", points, op.constant(0, ir.DataType.FLOAT))
    edge, length, two = (op.constant(number, ir.DataType.FLOAT) for number in (low, span, 2))
    beyond = op("Abs", op("Sub", points, edge))
    stretch = op("Floor", op("Div", beyond, length))
    along = op("Sub", beyond, op("Mul", stretch, length))
    pairs = op("Mul", op("Floor", op("Div", stretch, two)), two)
    backwards = op("Greater", stretch, pairs)
    return op("Add", edge, op("Where", backwards, op("Sub", length, along), along))


def _neighbours(axis: _Axis, mode: str, op: Recorder) -> list[tuple[ir.Value, ir.Value, ir.Value]]:
    """Index and weight of the pixels that count on one axis, and whether there is such a pixel."""
    one = op.constant(1, ir.DataType.FLOAT)
    if mode == "nearest":
        near = op("Round", axis.points)
        return [(_index(near, axis.size, op), one, _inside(near, axis.size, op))]
    low = op("Floor", axis.points)
    high = op("Add", low, one)
    share = op("Sub", axis.points, low)
    return [
        (_index(at, axis.size, op), weight, _inside(at, axis.size, op))
        for at, weight in ((low, op("Sub", one, share)), (high, share))
    ]


def _index(at: ir.Value, size: int, op: Recorder) -> ir.Value:
    bounds = op.constant(0, ir.DataType.FLOAT), op.constant(size - 1, ir.DataType.FLOAT)
    return op("Cast", op("Clip", at, *bounds), to=ir.DataType.INT64)


def _inside(at: ir.Value, size: int, op: Recorder) -> ir.Value:
    """Where `at` is a pixel."""
    above = op("Greater", at, op.constant(-0.5, ir.DataType.FLOAT))
    below = op("Less", at, op.constant(size - 0.5, ir.DataType.FLOAT))
    return op("And", above, below)
