"""Slice: what is cut along positions leaves the channels as they are."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from edgeshrink.graph.constants import Constants, array_of
from edgeshrink.graph.demand import Demand
from edgeshrink.graph.operators.base import Operator, describe, register
from edgeshrink.graph.spaces import Spaces

__all__ = ["Slice"]


@register("Slice")
class Slice(Operator):
    """Axes that are not sliced are carried; a sliced one stays, since its bounds are stored as numbers."""

    def couple(self, node: ir.Node, spaces: Spaces) -> None:
        """Hand on every axis that is not sliced, pin the others."""
        source = _source(node)
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
            constants.put(node.outputs[0], axis, constants.of(_source(node), axis))

    def demand(self, node: ir.Node, demand: Demand) -> None:
        """Carried axes demand what the output demands, sliced ones everything."""
        for axis in demand.spaces.axes_of(_source(node)):
            carried = demand.spaces.get(node.outputs[0], axis) is not None
            mask = demand.of(node.outputs[0], axis) if carried else np.ones(1, dtype=bool)
            demand.add(_source(node), axis, mask)


def _source(node: ir.Node) -> ir.Value:
    source = node.inputs[0]
    assert source is not None
    return source


def _sliced_axes(node: ir.Node) -> set[int] | None:
    """The axes a Slice cuts; None if they are computed at run time."""
    source = _source(node)
    assert source.shape is not None
    if len(node.inputs) < 4 or node.inputs[3] is None:
        starts = array_of(node.inputs[1]) if len(node.inputs) > 1 else None
        return None if starts is None else set(range(starts.size))
    axes = array_of(node.inputs[3])
    return None if axes is None else {int(axis) % len(source.shape) for axis in axes}
