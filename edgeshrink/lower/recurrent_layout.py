"""LSTM(x){layout=1} -> Transpose, LSTM(x){layout=0}, Transpose; GRU and RNN likewise.

Below opset 14, and for TensorRT, whose parser before 10 does not read the attribute. The layout says where
the batch stands: (batch, sequence, ...) or (sequence, batch, ...), and the states' likewise.
"""

from __future__ import annotations

from collections.abc import Sequence

import onnx_ir as ir

from edgeshrink.lower.rule import NodeRule, Recorder

__all__ = ["LowerRecurrentLayout"]

BY_BATCH = (0, 5, 6)  # X, initial_h, initial_c


class LowerRecurrentLayout(NodeRule):
    """Fires on layout=1."""

    op_types = frozenset({"GRU", "LSTM", "RNN"})
    native_from = 14

    def rewrite(self, node: ir.Node, op: Recorder) -> Sequence[ir.Value] | None:
        """The sequence of states has four dimensions, of which the direction is another's neighbour, too."""
        if not node.attributes.get_int("layout", 0):
            return None
        kept = {name: attribute.value for name, attribute in node.attributes.items() if name != "layout"}
        inputs = [
            value if value is None or index not in BY_BATCH else op("Transpose", value, perm=[1, 0, 2])
            for index, value in enumerate(node.inputs)
        ]
        made = op.op_multi_out(node.op_type, inputs, kept, num_outputs=len(node.outputs))
        orders = ([2, 0, 1, 3], [1, 0, 2], [1, 0, 2])
        return [op("Transpose", value, perm=order) for value, order in zip(made, orders, strict=False)]

    def _is_foreign(self, node: ir.Node) -> bool:
        return super()._is_foreign(node) or self.target.misreads(node.op_type, "recurrent-layout-ignored")
