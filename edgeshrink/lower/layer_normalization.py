"""LayerNormalization(x) -> (x - mean) / Sqrt(variance + epsilon) * scale + bias, over the axes from axis on.

Below opset 17; the definition in the ONNX standard, with variance = mean((x - mean)^2). Types of 16 bits are
computed in float32, as the standard's stash_type asks.
"""

from __future__ import annotations

from collections.abc import Sequence

import onnx_ir as ir

from edgeshrink.lower.rule import NodeRule, Recorder

__all__ = ["LowerLayerNormalization"]

HALF = (ir.DataType.FLOAT16, ir.DataType.BFLOAT16)


class LowerLayerNormalization(NodeRule):
    """Fires where the element type is known, and the rank where `axis` counts from the front."""

    op_types = frozenset({"LayerNormalization"})
    native_from = 17

    def rewrite(self, node: ir.Node, op: Recorder) -> Sequence[ir.Value] | None:
        """The outputs Mean and InvStdDev are written only where the node has them."""
        x = node.inputs[0]
        axis = node.attributes.get_int("axis", -1)
        if x is None or x.dtype is None or (axis >= 0 and x.shape is None):
            return None
        first = axis - x.shape.rank() if axis >= 0 and x.shape is not None else axis
        axes = range(first, 0)
        half = x.dtype in HALF
        wide, dtype = (op("Cast", x, to=ir.DataType.FLOAT), ir.DataType.FLOAT) if half else (x, x.dtype)
        mean = op.reduce("ReduceMean", wide, axes, self.opset)
        apart = op("Sub", wide, mean)
        variance = op.reduce("ReduceMean", op("Mul", apart, apart), axes, self.opset)
        epsilon = op.constant(node.attributes.get_float("epsilon", 1e-5), dtype)
        deviation = op("Sqrt", op("Add", variance, epsilon))
        y = op("Div", apart, deviation)
        y = op("Mul", op("Cast", y, to=x.dtype) if half else y, node.inputs[1])
        if len(node.inputs) > 2 and node.inputs[2] is not None:
            y = op("Add", y, node.inputs[2])
        outputs = [y, mean]
        if len(node.outputs) > 2:
            outputs.append(op("Reciprocal", deviation))
        return outputs[: len(node.outputs)]
