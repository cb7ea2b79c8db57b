"""Gather: chosen indices of an axis, by constants (a permutation, a part) or at run time (an embedding)."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from edgeshrink.graph.constants import array_of
from edgeshrink.graph.edit import add_constant, set_input
from edgeshrink.graph.operators.base import Kept, describe, register, sizes, source_of
from edgeshrink.graph.operators.selection import Indices, Pick, Selection, renumbered, without
from edgeshrink.graph.spaces import Spaces

__all__ = ["Gather"]


@register("Gather")
class Gather(Selection):
    """out[.., i.., ..] = in[.., indices[i..], ..]: the indices may have any rank, and take the axis's place.

    One list of constant indices takes units along, which may come twice. Of a scalar or a table of indices
    the units it names stay where they are. Indices that are computed pin their axis; all others are carried,
    those of a constant table (an embedding) as units of their own.
    """

    def picks(self, node: ir.Node) -> list[Pick] | None:
        """The other axes, and the gathered one if a list of constants says what is taken."""
        source, output, own = source_of(node), node.outputs[0], _axis(node)
        places = _rank_of_indices(node)
        if len(sizes(output)) != len(sizes(source)) - 1 + places:
            return None
        picks = [
            Pick(axis, output, axis if axis < own else axis - 1 + places)
            for axis in range(len(sizes(source)))
            if axis != own
        ]
        indices = _indices(node)
        if indices is not None and places == 1 and sizes(output)[own] == indices.size > 0:
            picks.append(Pick(own, output, own, indices))
        return picks

    def couple(self, node: ir.Node, spaces: Spaces) -> None:
        """Give a constant table units of its own, along all axes that are not gathered."""
        source = source_of(node)
        if array_of(source) is not None and self.picks(node) is not None:
            for axis, size in enumerate(sizes(source)):
                if axis != _axis(node) and spaces.get(source, axis) is None and isinstance(size, int):
                    spaces.put(source, axis, spaces.fresh(size))
        super().couple(node, spaces)

    def _pin(self, node: ir.Node, axis: int, spaces: Spaces) -> None:
        """Of an axis that is left, only what the indices name must stay."""
        indices = _indices(node)
        units = spaces.get(source_of(node), axis)
        if indices is None or units is None:
            spaces.pin_axis(source_of(node), axis, f"looked up by {describe(node)}")
        else:
            spaces.pin(units[indices.reshape(-1)], f"taken by {describe(node)}")

    def reindex(self, node: ir.Node, kept: Kept) -> None:
        """Number the indices anew."""
        source, own, old = source_of(node), _axis(node), _indices(node)
        if old is None:
            return
        picked = [pick for pick in self.picks(node) or () if pick.axis == own]
        new: Indices | None = None
        if picked:
            new = renumbered(picked[0], source, kept)
        elif not (stays := kept(source, own)).all():
            new = without(~stays, old)
        if new is not None:
            assert isinstance(node.graph, ir.Graph)
            set_input(node, 1, add_constant(node.graph, f"{node.outputs[0].name}_indices", new))


def _axis(node: ir.Node) -> int:
    return node.attributes.get_int("axis", 0) % len(sizes(source_of(node)))


def _rank_of_indices(node: ir.Node) -> int:
    indices = node.inputs[1]
    assert indices is not None
    return len(sizes(indices))


def _indices(node: ir.Node) -> Indices | None:
    """The constant indices, counted from the front; None if computed, or out of the range of the axis."""
    array, size = array_of(node.inputs[1]), sizes(source_of(node))[_axis(node)]
    if array is None or not isinstance(size, int):
        return None
    indices = array.astype(np.int64)
    indices = np.where(indices < 0, indices + size, indices)
    return indices if ((indices >= 0) & (indices < size)).all() else None
