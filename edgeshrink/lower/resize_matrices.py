"""Resize(x){cubic, or antialias} -> MatMul(rows, x, columns): each pixel is a weighted sum of pixels.

For TensorRT, whose parser before 8.5 knows nearest and linear alone and none of whose parsers smooths,
below opset 18 for antialias and below 19 for half_pixel_symmetric. The weights along an axis are constants,
by the formulas of the ONNX standard, and an axis is resized without regard to the other; the sums are the
same, of some more terms that are zero.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import ceil, floor
from typing import Any

import numpy as np
import onnx_ir as ir

from edgeshrink.graph.stored import stored_array
from edgeshrink.lower.rule import NodeRule, Recorder

__all__ = ["LowerResizeMatrices"]

Matrix = np.ndarray[Any, np.dtype[np.float64]]
LIMIT = 2**22  # weights of one axis: 16 MB
RADIUS = {"linear": 1, "cubic": 2}
PLACES: dict[str, Callable[[Matrix, int, int, float], Matrix]] = {
    "align_corners": lambda i, old, new, scale: i * (old - 1) / (new - 1) if new > 1 else 0 * i,
    "asymmetric": lambda i, old, new, scale: i / scale,
    "half_pixel": lambda i, old, new, scale: (i + 0.5) / scale - 0.5,
    "half_pixel_symmetric": lambda i, old, new, scale: (
        old / 2 * (1 - new / (scale * old)) + (i + 0.5) / scale - 0.5
    ),
    "pytorch_half_pixel": lambda i, old, new, scale: (i + 0.5) / scale - 0.5 if new > 1 else 0 * i,
}


class LowerResizeMatrices(NodeRule):
    """Fires on float32, static shapes, constant sizes or scales, and no more than the last two axes."""

    op_types = frozenset({"Resize"})
    native_from = 19

    def rewrite(self, node: ir.Node, op: Recorder) -> Sequence[ir.Value] | None:
        """A product for each axis that changes."""
        x, given = node.inputs[0], node.attributes
        if x is None or x.dtype != ir.DataType.FLOAT or x.shape is None or not x.shape.is_static():
            return None
        shape = [int(size) for size in x.shape.numpy()]
        wanted = _wanted(node, shape)
        how = given.get_string("coordinate_transformation_mode", "half_pixel") or ""
        if wanted is None or how not in PLACES or len(shape) < 2 or not self._lacks(node, shape, wanted):
            return None
        changed = [axis for axis, (new, scale) in enumerate(wanted) if new != shape[axis] or scale != 1]
        if any(axis < len(shape) - 2 for axis in changed):
            return None
        if any(shape[axis] * wanted[axis][0] > LIMIT for axis in changed):
            return None
        value = x
        for axis in changed:
            weights = _weights(node, shape[axis], *wanted[axis])
            rows = axis == len(shape) - 2
            matrix = op.constant(weights if rows else weights.T, x.dtype)
            value = op("MatMul", matrix, value) if rows else op("MatMul", value, matrix)
        return [value if value is not x else op("Identity", x)]

    def _is_foreign(self, node: ir.Node) -> bool:
        mode = node.attributes.get_string("mode", "nearest")
        return mode in RADIUS and self.target.source >= 11

    def _lacks(self, node: ir.Node, shape: Sequence[int], wanted: Sequence[tuple[int, float]]) -> bool:
        """Whether the target does not have the mode, the smoothing of smaller pictures, or the places."""
        parser, given = self.target.parser, node.attributes
        values = {} if parser is None or not parser.supports("Resize") else parser.operators["Resize"].values
        symmetric = given.get_string("coordinate_transformation_mode", "half_pixel") == "half_pixel_symmetric"
        smaller = any(new < old for old, (new, _) in zip(shape, wanted, strict=True))
        smooth = given.get_int("antialias", 0) == 1 and smaller
        if smooth and (self.opset < 18 or values.get("antialias") == (0,)):
            return True
        if symmetric and self.opset < 19:
            return True
        names = {"mode": "nearest", "coordinate_transformation_mode": "half_pixel"}
        return any(
            given.get_string(name, default) not in values[name]
            for name, default in names.items()
            if name in values
        )


def _wanted(node: ir.Node, shape: Sequence[int]) -> list[tuple[int, float]] | None:
    """The new size of each axis and its scale; None where they are computed or follow a policy."""
    _, _, scales, sizes = (*node.inputs, None, None, None)[:4]
    if node.attributes.get_string("keep_aspect_ratio_policy", "stretch") != "stretch":
        return None
    axes = [axis % len(shape) for axis in node.attributes.get_ints("axes", range(len(shape)))]
    wanted = [(size, 1.0) for size in shape]
    new_sizes, factors = stored_array(sizes), stored_array(scales)
    if new_sizes is not None and len(new_sizes) == len(axes):
        for axis, new in zip(axes, new_sizes.tolist(), strict=True):
            wanted[axis] = new, new / shape[axis]
    elif factors is not None and len(factors) == len(axes):
        for axis, factor in zip(axes, factors.tolist(), strict=True):
            wanted[axis] = floor(shape[axis] * factor), factor
    else:
        return None
    return wanted if all(new > 0 and scale > 0 for new, scale in wanted) else None


def _weights(node: ir.Node, old: int, new: int, scale: float) -> Matrix:
    """What each of `old` pixels gives to each of `new`, as (new, old)."""
    given = node.attributes
    mode, a = given.get_string("mode", "nearest") or "", given.get_float("cubic_coeff_a", -0.75) or 0.0
    how = given.get_string("coordinate_transformation_mode", "half_pixel") or ""
    stretch = scale if given.get_int("antialias", 0) == 1 and scale < 1 else 1.0
    reach = ceil(RADIUS[mode] / stretch)
    places = PLACES[how](np.arange(new, dtype=np.float64), old, new, scale)
    taps = np.floor(places)[:, None] + np.arange(1 - reach, reach + 1)
    shares = _kernel(mode, (taps - places[:, None]) * stretch, a)
    if given.get_int("exclude_outside", 0):
        shares[(taps < 0) | (taps >= old)] = 0
    shares /= shares.sum(axis=1, keepdims=True)
    matrix = np.zeros((new, old))
    np.add.at(matrix, (np.arange(new)[:, None], np.clip(taps, 0, old - 1).astype(int)), shares)
    return matrix


def _kernel(mode: str, apart: Matrix, a: float) -> Matrix:
    """The share of a pixel at a distance."""
    t = np.abs(apart)
    if mode == "linear":
        return np.where(t < 1, 1 - t, 0)
    near = (a + 2) * t**3 - (a + 3) * t**2 + 1
    far = a * (t**3 - 5 * t**2 + 8 * t - 4)
    return np.where(t <= 1, near, np.where(t < 2, far, 0))
