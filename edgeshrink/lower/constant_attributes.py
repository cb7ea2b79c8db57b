"""Constant{value_ints, value_float, ...} -> an initializer for TensorRT, which garbles some of them."""

from __future__ import annotations

from collections.abc import Sequence

import onnx_ir as ir

from edgeshrink.graph.stored import stored_array
from edgeshrink.lower.rule import NodeRule, Recorder

__all__ = ["LowerConstantAttributes"]


class LowerConstantAttributes(NodeRule):
    """Fires on numbers that are not given as a tensor."""

    op_types = frozenset({"Constant"})
    native_from = 0

    def rewrite(self, node: ir.Node, op: Recorder) -> Sequence[ir.Value] | None:
        """The same array, stored beside the weights."""
        array = stored_array(node.outputs[0])
        if "value" in node.attributes or array is None or array.dtype.kind not in "fi":
            return None
        if node.outputs[0].is_graph_output():
            return None
        return [op.constant(array, array.dtype)]

    def _is_foreign(self, node: ir.Node) -> bool:
        return self.target.parser is not None
