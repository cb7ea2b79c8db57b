"""Pad(x, pads, value, axes) -> Pad(x, pads of all axes, value) below opset 18: zero on the axes not named."""

from __future__ import annotations

from collections.abc import Sequence

import onnx_ir as ir

from edgeshrink.graph.stored import stored_array
from edgeshrink.lower.rule import NodeRule, Recorder

__all__ = ["LowerPadAxes"]


class LowerPadAxes(NodeRule):
    """Fires on constant pads and axes of a tensor of known rank."""

    op_types = frozenset({"Pad"})
    native_from = 18

    def rewrite(self, node: ir.Node, op: Recorder) -> Sequence[ir.Value] | None:
        """Pads come as all begins, then all ends."""
        if len(node.inputs) < 4 or node.inputs[3] is None:
            return None
        if node.attributes.get_string("mode", "constant") == "wrap":
            return None  # a rule of its own
        x, pads, axes = node.inputs[0], stored_array(node.inputs[1]), stored_array(node.inputs[3])
        if x is None or x.shape is None or pads is None or axes is None:
            return None
        rank, count = x.shape.rank(), len(axes)
        full = [0] * (2 * rank)
        for index, axis in enumerate(axes.tolist()):
            full[axis % rank] = int(pads[index])
            full[axis % rank + rank] = int(pads[index + count])
        inputs = [x, op.constant(full), *node.inputs[2:3]]
        return [op.op("Pad", inputs, {"mode": node.attributes.get_string("mode", "constant")})]
