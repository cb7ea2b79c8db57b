"""RMSNormalization(x) -> x / Sqrt(mean(x^2) + epsilon) * scale, over the axes from axis on, below opset 23.

The definition in the ONNX standard. Types of 16 bits are normalised in float32, as its stash_type asks.
"""

from __future__ import annotations

from collections.abc import Sequence

import onnx_ir as ir

from edgeshrink.lower.layer_normalization import HALF
from edgeshrink.lower.rule import NodeRule, Recorder

__all__ = ["LowerRMSNormalization"]


class LowerRMSNormalization(NodeRule):
    """Fires where the element type is known, and the rank where `axis` counts from the front."""

    op_types = frozenset({"RMSNormalization"})
    native_from = 23

    def rewrite(self, node: ir.Node, op: Recorder) -> Sequence[ir.Value] | None:
        """The scale is applied in the node's own type."""
        x, axis = node.inputs[0], node.attributes.get_int("axis", -1)
        if x is None or x.dtype is None or (axis >= 0 and x.shape is None):
            return None
        first = axis - x.shape.rank() if axis >= 0 and x.shape is not None else axis
        half = x.dtype in HALF
        wide, dtype = (op("Cast", x, to=ir.DataType.FLOAT), ir.DataType.FLOAT) if half else (x, x.dtype)
        mean = op.reduce("ReduceMean", op("Mul", wide, wide), range(first, 0), self.opset)
        epsilon = op.constant(node.attributes.get_float("epsilon", 1e-5), dtype)
        y = op("Div", wide, op("Sqrt", op("Add", mean, epsilon)))
        return [op("Mul", op("Cast", y, to=x.dtype) if half else y, node.inputs[1])]
