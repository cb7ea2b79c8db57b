"""ReduceMax(b) of booleans -> Cast(ReduceMax(Cast(b, FLOAT)), BOOL) below opset 20, and for TensorRT.

ReduceMin likewise: any and all.
"""

from __future__ import annotations

from collections.abc import Sequence

import onnx_ir as ir

from edgeshrink.lower.rule import NodeRule, Recorder

__all__ = ["LowerReduceBooleans"]


class LowerReduceBooleans(NodeRule):
    """Fires on booleans."""

    op_types = frozenset({"ReduceMax", "ReduceMin"})
    native_from = 20

    def rewrite(self, node: ir.Node, op: Recorder) -> Sequence[ir.Value] | None:
        """Axes stay as they are given; a rule of their own moves them."""
        x = node.inputs[0]
        if x is None or x.dtype != ir.DataType.BOOL:
            return None
        kept = {name: attribute.value for name, attribute in node.attributes.items()}
        numbers = op("Cast", x, to=ir.DataType.FLOAT)
        return [op("Cast", op.op(node.op_type, [numbers, *node.inputs[1:]], kept), to=ir.DataType.BOOL)]

    def _is_foreign(self, node: ir.Node) -> bool:
        parser = self.target.parser  # torch writes them at opset 18, too, which has none
        early = self.opset < self.native_from
        return early or (parser is not None and "BOOL" not in parser.types(node.op_type))
