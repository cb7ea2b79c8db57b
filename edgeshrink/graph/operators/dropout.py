"""Dropout at inference: nothing happens."""

from __future__ import annotations

import onnx_ir as ir

from edgeshrink.graph.constants import array_of
from edgeshrink.graph.operators.base import register, sizes, source_of
from edgeshrink.graph.operators.selection import Pick, Selection

__all__ = ["Dropout"]


@register("Dropout")
class Dropout(Selection):
    """out = in; in training, and where the mask is asked for, not known."""

    several_outputs = True

    def picks(self, node: ir.Node) -> list[Pick] | None:
        """All axes, of the output and of a mask that is there though nobody takes it."""
        training = node.inputs[2] if len(node.inputs) > 2 else None
        array = array_of(training)
        if training is not None and (array is None or bool(array.any())):
            return None
        if any(mask.uses() or mask.is_graph_output() for mask in node.outputs[1:]):
            return None
        written = [output for output in node.outputs if output.shape is not None]
        return [Pick(axis, output, axis) for output in written for axis in range(len(sizes(source_of(node))))]
