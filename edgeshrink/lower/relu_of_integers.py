"""Relu(x) of integers -> Max(x, 0) below opset 14, which brought them, and for parsers that take none."""

from __future__ import annotations

from collections.abc import Sequence

import onnx_ir as ir

from edgeshrink.lower.rule import NodeRule, Recorder

__all__ = ["LowerReluOfIntegers"]


class LowerReluOfIntegers(NodeRule):
    """Fires on int32 and int64; Max of opset 13 takes no smaller ones everywhere."""

    op_types = frozenset({"Relu"})
    native_from = 14

    def rewrite(self, node: ir.Node, op: Recorder) -> Sequence[ir.Value] | None:
        """One Max."""
        x = node.inputs[0]
        if x is None or x.dtype not in (ir.DataType.INT32, ir.DataType.INT64):
            return None
        return [op("Max", x, op.constant(0, x.dtype))]

    def _is_foreign(self, node: ir.Node) -> bool:
        parser = self.target.parser
        return super()._is_foreign(node) or (parser is not None and "INT32" not in parser.types("Relu"))
