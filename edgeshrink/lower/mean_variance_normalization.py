"""MeanVarianceNormalization(x) -> (x - mean) / (Sqrt(variance) + 1e-9) for parsers without it.

The definition in the ONNX standard, with variance = mean((x - mean)^2), which is never below zero.
"""

from __future__ import annotations

from collections.abc import Sequence

import onnx_ir as ir

from edgeshrink.lower.rule import NodeRule, Recorder

__all__ = ["LowerMeanVarianceNormalization"]


class LowerMeanVarianceNormalization(NodeRule):
    """Fires on float and double."""

    op_types = frozenset({"MeanVarianceNormalization"})
    native_from = 0

    def rewrite(self, node: ir.Node, op: Recorder) -> Sequence[ir.Value] | None:
        """Over batch, height and width unless told."""
        x = node.inputs[0]
        if x is None or x.dtype not in (ir.DataType.FLOAT, ir.DataType.DOUBLE):
            return None
        axes = node.attributes.get_ints("axes", [0, 2, 3])
        apart = op("Sub", x, op.reduce("ReduceMean", x, axes, self.opset))
        variance = op.reduce("ReduceMean", op("Mul", apart, apart), axes, self.opset)
        return [op("Div", apart, op("Add", op("Sqrt", variance), op.constant(1e-9, x.dtype)))]
