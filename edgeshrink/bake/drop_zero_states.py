"""Drop zero states: an LSTM, GRU or RNN told to begin at zero  ->  one that is told nothing, and does so too.

Exact: ONNX takes omitted states for zero. Exporters write the zeros out, of a size that is computed from the
input at run time, which hides from the analysis that they hold as many units as the layer.
"""

from __future__ import annotations

import onnx_ir as ir
from onnx_ir.passes.common import RemoveUnusedNodesPass

from edgeshrink.bake.base import BakePass
from edgeshrink.graph.constants import array_of
from edgeshrink.graph.operators.recurrent import GATES, INITIAL_STATES

__all__ = ["DropZeroStates"]

_MOVES_ELEMENTS = {
    *("Cast", "Expand", "Flatten", "Gather", "Identity", "Reshape", "Slice", "Split", "Squeeze", "Tile"),
    *("Transpose", "Unsqueeze"),
}
"""Operators whose outputs hold nothing but elements of their first input."""


class DropZeroStates(BakePass):
    """Omit initial states that are zero whatever the input is."""

    def rewrite(self, model: ir.Model) -> dict[str, int]:
        """Returns the number of states omitted."""
        states = 0
        for node in model.graph.all_nodes():
            if node.op_type not in GATES or node.domain != "":
                continue
            for index in INITIAL_STATES:
                state = node.inputs[index] if index < len(node.inputs) else None
                if state is not None and _is_zero(state):
                    node.replace_input_with(index, None)
                    states += 1
        if states:
            RemoveUnusedNodesPass()(model)
        return {"states": states} if states else {}


def _is_zero(value: ir.Value | None) -> bool:
    """Whether all elements of a value are zero: stored so, or moved about from such."""
    while value is not None:
        array, node = array_of(value), value.producer()
        if array is not None:
            return array.dtype.kind in "fiu" and not array.any()
        if node is None or node.domain != "":
            return False
        if node.op_type == "ConstantOfShape":
            fill = node.attributes.get_tensor("value")
            return fill is None or not fill.numpy().any()
        if node.op_type == "Concat":
            return all(_is_zero(part) for part in node.inputs)
        if node.op_type not in _MOVES_ELEMENTS:
            return False
        value = node.inputs[0]
    return False
