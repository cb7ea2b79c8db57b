"""Shrink(x) -> x + bias below -lambd, x - bias above lambd, else 0, for parsers without it."""

from __future__ import annotations

from collections.abc import Sequence

import onnx_ir as ir

from edgeshrink.lower.rule import NodeRule, Recorder

__all__ = ["LowerShrink"]


class LowerShrink(NodeRule):
    """Fires on floats of a known type: integers compare with lambd in their own way."""

    op_types = frozenset({"Shrink"})
    native_from = 0

    def rewrite(self, node: ir.Node, op: Recorder) -> Sequence[ir.Value] | None:
        """Two choices; NaN falls through both and is 0, as in the standard."""
        x = node.inputs[0]
        if x is None or x.dtype is None or not x.dtype.is_floating_point():
            return None
        edge, bias = node.attributes.get_float("lambd", 0.5), node.attributes.get_float("bias", 0.0)
        up, down = op("Add", x, op.constant(bias, x.dtype)), op("Sub", x, op.constant(bias, x.dtype))
        above = op("Where", op("Greater", x, op.constant(edge, x.dtype)), down, op.constant(0, x.dtype))
        return [op("Where", op("Less", x, op.constant(-edge, x.dtype)), up, above)]
