"""ReduceX(x){noop_with_empty_axes=1} without axes -> what X does to one element, mostly nothing: Identity(x).

Below opset 18, and for TensorRT, which reduces over all axes then. What X does to each element before and
after is done all the same, says the standard: ReduceSumSquare squares, ReduceL1 takes the magnitude.
"""

from __future__ import annotations

from collections.abc import Sequence

import onnx_ir as ir

from edgeshrink.graph.stored import stored_array
from edgeshrink.lower.rule import NodeRule, Recorder

__all__ = ["LowerReduceOverNothing"]

FLOATS = (ir.DataType.FLOAT, ir.DataType.FLOAT16, ir.DataType.DOUBLE)
# Of one element; for integers Log has no kernel, so a logarithm of integers stays and is reported.
_OF_ONE = {"ReduceL1": "Abs", "ReduceL2": "Abs", "ReduceLogSum": "Log"}


class LowerReduceOverNothing(NodeRule):
    """Fires where there are no axes, or a constant of none."""

    op_types = frozenset(
        {"ReduceL1", "ReduceL2", "ReduceLogSum", "ReduceLogSumExp", "ReduceMax", "ReduceMean", "ReduceMin"}
        | {"ReduceProd", "ReduceSum", "ReduceSumSquare"}
    )
    native_from = 18

    def rewrite(self, node: ir.Node, op: Recorder) -> Sequence[ir.Value] | None:
        """At most one node."""
        x, value = (*node.inputs, None)[:2]
        axes = stored_array(value)
        nothing = value is None or (axes is not None and not axes.size)
        if not node.attributes.get_int("noop_with_empty_axes", 0) or not nothing:
            return None
        if node.op_type == "ReduceSumSquare":
            return [op("Mul", x, x)]
        if node.op_type == "ReduceLogSum" and (x is None or x.dtype not in FLOATS):
            return None
        return [op(_OF_ONE.get(node.op_type, "Identity"), x)]

    def _is_foreign(self, node: ir.Node) -> bool:
        return super()._is_foreign(node) or self.target.parser is not None
