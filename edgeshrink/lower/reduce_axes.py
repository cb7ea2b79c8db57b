"""ReduceX(x, axes=[1]) -> ReduceX(x){axes=[1]} below opset 18; ReduceSum has had its input since 13.

Exact: the same reduction in another notation. TensorRT's parser before 10.1 reads the attribute alone, and
silently reduces over all axes where it is missing (onnx-tensorrt 8.2-GA, builtin_op_importers.cpp).
"""

from __future__ import annotations

from collections.abc import Sequence

import onnx_ir as ir

from edgeshrink.graph.stored import stored_array
from edgeshrink.lower.rule import NodeRule, Recorder

__all__ = ["LowerReduceAxes"]


class LowerReduceAxes(NodeRule):
    """Fires on constant axes and on none; does not fire on axes that are computed."""

    op_types = frozenset(
        {"ReduceL1", "ReduceL2", "ReduceLogSum", "ReduceLogSumExp", "ReduceMax", "ReduceMean", "ReduceMin"}
        | {"ReduceProd", "ReduceSumSquare"}
    )
    native_from = 18

    def rewrite(self, node: ir.Node, op: Recorder) -> Sequence[ir.Value] | None:
        """Move axes; an empty list means all of them."""
        value = node.inputs[1] if len(node.inputs) > 1 else None
        axes = stored_array(value)
        if (value is not None and axes is None) or "axes" in node.attributes:
            return None
        if axes is None or not axes.size:
            if node.attributes.get_int("noop_with_empty_axes", 0):
                return None  # a rule of its own
            return [
                op.op(node.op_type, node.inputs[:1], {"keepdims": node.attributes.get_int("keepdims", 1)})
            ]
        attributes = {"axes": axes.reshape(-1).tolist(), "keepdims": node.attributes.get_int("keepdims", 1)}
        return [op.op(node.op_type, node.inputs[:1], attributes)]
