"""Take from parts: Gather(Concat(a, b), i)  ->  Gather(b, i - size of a), along the axis of both.

Exact: it is the same element. Whoever reads one layer's last state out of the states of all layers would
otherwise tie the units of all of them.
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
from onnx_ir.passes.common import RemoveUnusedNodesPass

from edgeshrink.bake.base import BakePass
from edgeshrink.graph.constants import array_of
from edgeshrink.graph.edit import add_constant

__all__ = ["TakeFromParts"]


class TakeFromParts(BakePass):
    """Let a Gather of one index read the part of a Concat that holds it."""

    def rewrite(self, model: ir.Model) -> dict[str, int]:
        """Returns the number of readers that read a part now."""
        readers = sum(_read_part(model.graph, node) for node in list(model.graph))
        if readers:
            RemoveUnusedNodesPass()(model)
        return {"readers": readers} if readers else {}


def _read_part(graph: ir.Graph, node: ir.Node) -> bool:
    index = array_of(node.inputs[1]) if node.op_type == "Gather" and node.domain == "" else None
    concat = node.inputs[0].producer() if index is not None and node.inputs[0] is not None else None
    if (
        index is None
        or index.size != 1
        or concat is None
        or concat.op_type != "Concat"
        or concat.domain != ""
    ):
        return False
    found = _part_of(concat, node.attributes.get_int("axis", 0), int(index.reshape(-1)[0]))
    if found is None:
        return False
    part, place = found
    indices = add_constant(graph, f"{node.outputs[0].name}_index", np.full(index.shape, place, index.dtype))
    node.replace_input_with(0, part)
    node.replace_input_with(1, indices)
    return True


def _part_of(concat: ir.Node, axis: int, index: int) -> tuple[ir.Value, int] | None:
    """The part that holds an index, and where in it; None if that is not known, or another axis is meant."""
    shapes = [value.shape for value in concat.inputs if value is not None]
    ranks = {len(shape) for shape in shapes if shape is not None}
    if len(ranks) != 1 or any(shape is None for shape in shapes):
        return None
    (rank,) = ranks
    joined = concat.attributes.get_int("axis", 1) % rank
    lengths = [shape[joined] for shape in shapes if shape is not None]
    if axis % rank != joined or not all(isinstance(length, int) for length in lengths):
        return None
    ends = np.cumsum([int(str(length)) for length in lengths])
    place = index if index >= 0 else index + int(ends[-1])
    if not 0 <= place < ends[-1]:
        return None
    number = int(np.searchsorted(ends, place, side="right"))
    part = concat.inputs[number]
    assert part is not None
    return part, place - (int(ends[number - 1]) if number else 0)
