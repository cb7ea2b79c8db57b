"""TopK(x){largest=0} -> Neg(TopK(Neg(x))) for TensorRT, which reads every TopK as of the largest before 10.

Exact: negation turns the order around and equal values keep theirs.
"""

from __future__ import annotations

from collections.abc import Sequence

import onnx_ir as ir

from edgeshrink.lower.rule import NodeRule, Recorder

__all__ = ["LowerTopKSmallest"]


class LowerTopKSmallest(NodeRule):
    """Fires on floats where the parser's table tells of the trap."""

    op_types = frozenset({"TopK"})
    native_from = 0

    def rewrite(self, node: ir.Node, op: Recorder) -> Sequence[ir.Value] | None:
        """The indices stay as they are."""
        x = node.inputs[0]
        if node.attributes.get_int("largest", 1) or x is None or x.dtype is None:
            return None
        if not x.dtype.is_floating_point():
            return None  # the lowest integer has no negative
        kept = {name: attribute.value for name, attribute in node.attributes.items() if name != "largest"}
        inputs = [op("Neg", x), node.inputs[1]]
        values, indices = op.op_multi_out("TopK", inputs, kept | {"largest": 1}, num_outputs=2)
        return [op("Neg", values), indices][: len(node.outputs)]

    def _is_foreign(self, node: ir.Node) -> bool:
        parser = self.target.parser
        return parser is not None and any(trap.id == "topk-largest-ignored" for trap in parser.traps("TopK"))
