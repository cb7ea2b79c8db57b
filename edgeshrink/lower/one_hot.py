"""OneHot(indices, depth, values) -> Where(indices = 0 .. depth - 1, on, off) for parsers without it.

Hardmax(x) -> OneHot of ArgMax(x), likewise. Indices below zero count from the end, and those out of range
are nowhere on.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx_ir as ir

from edgeshrink.graph.stored import stored_array
from edgeshrink.lower.rule import NodeRule, Recorder

__all__ = ["LowerHardmax", "LowerOneHot"]

WHOLE = (ir.DataType.INT32, ir.DataType.INT64)


class LowerOneHot(NodeRule):
    """Fires on constant depth and values."""

    op_types = frozenset({"OneHot"})
    native_from = 0

    def rewrite(self, node: ir.Node, op: Recorder) -> Sequence[ir.Value] | None:
        """Not every parser chooses between booleans, so true and false come from the comparison."""
        indices, depth, values = node.inputs[0], stored_array(node.inputs[1]), stored_array(node.inputs[2])
        axis = node.attributes.get_int("axis", -1)
        if indices is None or indices.dtype is None or depth is None or values is None:
            return None
        if axis >= 0:
            if indices.shape is None:
                return None
            axis -= indices.shape.rank() + 1
        whole = indices if indices.dtype in WHOLE else op("Cast", indices, to=ir.DataType.INT64)
        kind = indices.dtype if indices.dtype in WHOLE else ir.DataType.INT64
        size = int(depth.item())
        low = op("Less", whole, op.constant(0, kind))
        index = op("Where", low, op("Add", whole, op.constant(size, kind)), whole)
        steps = np.arange(size).reshape(-1, *[1] * (-axis - 1))
        hot = op("Equal", op("Unsqueeze", index, op.constant([axis])), op.constant(steps, kind))
        return [_choose(hot, values, op)]


def _choose(hot: ir.Value, values: np.ndarray[Any, np.dtype[Any]], op: Recorder) -> ir.Value:
    off, on = values
    if values.dtype != np.bool_:
        return op("Where", hot, op.constant(on, values.dtype), op.constant(off, values.dtype))
    if on:
        return op("Or", hot, op.constant(True, np.bool_)) if off else op("Identity", hot)
    return op("Not", hot) if off else op("And", hot, op.constant(False, np.bool_))


class LowerHardmax(NodeRule):
    """Fires on a static axis of a known type; the first of equal maxima wins, as in the standard."""

    op_types = frozenset({"Hardmax"})
    native_from = 0

    def rewrite(self, node: ir.Node, op: Recorder) -> Sequence[ir.Value] | None:
        """ArgMax keeps the axis, so that the comparison broadcasts along it."""
        x, axis = node.inputs[0], node.attributes.get_int("axis", -1)
        if self.target.source < 13 or x is None or x.dtype is None or x.shape is None:
            return None
        size = x.shape[axis]
        if not isinstance(size, int):
            return None
        behind = (x.shape.rank() - 1 - axis) % x.shape.rank()
        steps = op.constant(np.arange(size).reshape(-1, *[1] * behind))
        return [op("Cast", op("Equal", op("ArgMax", x, axis=axis, keepdims=1), steps), to=x.dtype)]
