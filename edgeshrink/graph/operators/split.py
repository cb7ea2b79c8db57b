"""Split: each output has its own stretch of the units."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from edgeshrink.graph.edit import add_constant, set_input
from edgeshrink.graph.operators.base import Kept, opset_of, register, sizes, source_of
from edgeshrink.graph.operators.selection import Pick, Selection, constant_integers

__all__ = ["Split"]


@register("Split")
class Split(Selection):
    """One output after another has the next indices along `axis`; every other axis is carried to all."""

    several_outputs = True

    def picks(self, node: ir.Node) -> list[Pick] | None:
        """One for each output and axis."""
        axis, lengths = _axis(node), _lengths(node)
        if lengths is None:
            return None
        ends = np.cumsum(lengths)
        return [
            Pick(own, output, own, np.arange(end - length, end) if own == axis else None)
            for output, length, end in zip(node.outputs, lengths, ends, strict=True)
            for own in range(len(sizes(source_of(node))))
        ]

    def reindex(self, node: ir.Node, kept: Kept) -> None:
        """Say how many units each output has left."""
        axis = _axis(node)
        if kept(source_of(node), axis).all():
            return
        left = [int(kept(output, axis).sum()) for output in node.outputs]
        if opset_of(node) < 13:
            node.attributes["split"] = ir.AttrInt64s("split", left)
            return
        assert isinstance(node.graph, ir.Graph)
        node.attributes.pop("num_outputs", None)
        name = f"{node.outputs[0].name}_split"
        set_input(node, 1, add_constant(node.graph, name, np.array(left, dtype=np.int64)))


def _axis(node: ir.Node) -> int:
    return node.attributes.get_int("axis", 0) % len(sizes(source_of(node)))


def _lengths(node: ir.Node) -> list[int] | None:
    """How many indices each output takes; None where that is not known, or not what the shapes say.

    An output that nobody takes may have no shape; its stretch could not be told from one that is empty.
    """
    axis, given = _axis(node), constant_integers(node, 1, "split")
    if given is None or any(output.shape is None for output in node.outputs):
        return None
    lengths = [size for output in node.outputs if isinstance(size := sizes(output)[axis], int) and size > 0]
    if len(lengths) != len(node.outputs) or sum(lengths) != sizes(source_of(node))[axis]:
        return None
    return lengths if given.size == 0 or given.tolist() == lengths else None
