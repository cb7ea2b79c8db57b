"""Slice: what is cut along positions leaves the channels as they are."""

from __future__ import annotations

from collections.abc import Container

import onnx_ir as ir

from edgeshrink.graph.constants import Constants, array_of
from edgeshrink.graph.demand import Demand
from edgeshrink.graph.operators.base import EVERYTHING, Operator, describe, register, sizes, source_of
from edgeshrink.graph.spaces import Spaces

__all__ = ["Slice"]


@register("Slice")
class Slice(Operator):
    """Axes that are not sliced are carried; a sliced one stays, since its bounds are stored as numbers."""

    def followed(self, node: ir.Node) -> Container[int]:
        """The data; not the bounds."""
        return range(1)

    def couple(self, node: ir.Node, spaces: Spaces) -> None:
        """Hand on every axis that is not sliced, pin the others."""
        source = source_of(node)
        sliced = _sliced_axes(node)
        if sliced is None:
            super().couple(node, spaces)
            return
        for axis in spaces.axes_of(source):
            units = spaces.get(source, axis)
            assert units is not None
            if axis in sliced:
                spaces.pin(units, f"sliced by {describe(node)}")
            else:
                spaces.put(node.outputs[0], axis, units)

    def constants(self, node: ir.Node, constants: Constants) -> None:
        """A part of a constant is that constant."""
        for axis in constants.spaces.axes_of(node.outputs[0]):
            constants.put(node.outputs[0], axis, constants.of(source_of(node), axis))

    def demand(self, node: ir.Node, demand: Demand) -> None:
        """Carried axes demand what the output demands, sliced ones everything."""
        for axis in demand.spaces.axes_of(source_of(node)):
            carried = demand.spaces.get(node.outputs[0], axis) is not None
            mask = demand.of(node.outputs[0], axis) if carried else EVERYTHING
            demand.add(source_of(node), axis, mask)


def _sliced_axes(node: ir.Node) -> set[int] | None:
    """The axes a Slice cuts; None if they are computed at run time."""
    if len(node.inputs) < 4 or node.inputs[3] is None:
        starts = array_of(node.inputs[1]) if len(node.inputs) > 1 else None
        return None if starts is None else set(range(starts.size))
    axes = array_of(node.inputs[3])
    return None if axes is None else {int(axis) % len(sizes(source_of(node))) for axis in axes}
