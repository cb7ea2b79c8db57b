"""Clip(x, low, high) of other types than float32 -> Min(Max(x, low), high) for TensorRT before 8.5.

Its parser reads constant bounds as float32 whatever their type, so integers become other numbers. The
standard defines Clip so, also where low is above high.
"""

from __future__ import annotations

from collections.abc import Sequence

import onnx_ir as ir

from edgeshrink.graph.stored import stored_array
from edgeshrink.lower.rule import NodeRule, Recorder

__all__ = ["LowerClipBounds"]

KINDS = (ir.DataType.INT32, ir.DataType.INT64, ir.DataType.FLOAT16, ir.DataType.DOUBLE)


class LowerClipBounds(NodeRule):
    """Fires on constant bounds where the parser's table tells of the trap."""

    op_types = frozenset({"Clip"})
    native_from = 0

    def rewrite(self, node: ir.Node, op: Recorder) -> Sequence[ir.Value] | None:
        """A bound that is not given is none."""
        x, low, high = (*node.inputs, None, None)[:3]
        bounds = [bound for bound in (low, high) if bound is not None]
        if x is None or x.dtype not in KINDS or not any(stored_array(bound) is not None for bound in bounds):
            return None
        value = x if low is None else op("Max", x, low)
        return [value if high is None else op("Min", value, high)]

    def _is_foreign(self, node: ir.Node) -> bool:
        return self.target.opset >= 12 and self.target.misreads("Clip", "clip-bound-read-as-float32")
