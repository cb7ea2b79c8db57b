"""Shape(x){start, end} -> Slice(Shape(x), start, end) below opset 15."""

from __future__ import annotations

from collections.abc import Sequence

import onnx_ir as ir

from edgeshrink.lower.rule import NodeRule, Recorder

__all__ = ["LowerShapeRange"]

FAR = 2**31 - 1  # past any rank


class LowerShapeRange(NodeRule):
    """Fires on a Shape of part of the dimensions."""

    op_types = frozenset({"Shape"})
    native_from = 15

    def rewrite(self, node: ir.Node, op: Recorder) -> Sequence[ir.Value] | None:
        """Slice clamps its bounds as Shape does."""
        start, end = node.attributes.get_int("start", 0), node.attributes.get_int("end", FAR)
        if (start, end) == (0, FAR):
            return None
        return [
            op(
                "Slice",
                op("Shape", node.inputs[0]),
                op.constant([start]),
                op.constant([end]),
                op.constant([0]),
            )
        ]
