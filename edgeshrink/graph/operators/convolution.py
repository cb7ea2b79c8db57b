"""Conv: dense, in groups, and depthwise."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from edgeshrink.graph.constants import Constants, array_of
from edgeshrink.graph.demand import Demand
from edgeshrink.graph.operators.base import (
    Kept,
    demand_channels,
    is_padded,
    register,
    sizes,
    source_of,
)
from edgeshrink.graph.operators.contraction import has_plain_bias, tie_bias, weight_of
from edgeshrink.graph.operators.grouped import GroupedContraction, groups_of
from edgeshrink.graph.spaces import Spaces

__all__ = ["Convolution"]


@register("Conv")
class Convolution(GroupedContraction):
    """Conv in any number of dimensions and groups; the weight is (out, in / groups, *kernel).

    The depthwise form, one filter a channel, does not contract: each channel is carried through, and a
    non-zero constant only where no padding breaks it at the border.
    """

    def padded(self, node: ir.Node) -> bool:
        """Whether its own attributes say so."""
        return is_padded(node)

    def couple(self, node: ir.Node, spaces: Spaces) -> None:
        """As a contraction, or, depthwise, one space through input, weight, bias and output."""
        units = spaces.get(source_of(node), 1)
        if units is None or not _is_depthwise(node):
            super().couple(node, spaces)
            return
        spaces.put(weight_of(node), 0, units)
        spaces.put(node.outputs[0], 1, units)
        tie_bias(node, units, spaces)
        for value, own in ((source_of(node), 1), (weight_of(node), 0)):
            for axis in set(spaces.axes_of(value)) - {own}:
                spaces.pin_axis(value, axis, f"a position in the Conv '{node.name}'")

    def constants(self, node: ir.Node, constants: Constants) -> None:
        """As a contraction, or, depthwise, channel by channel."""
        weight = array_of(node.inputs[1])
        if weight is None or not _is_depthwise(node):
            super().constants(node, constants)
            return
        inputs = constants.of(source_of(node), 1)
        dead = ~constants.nonzero(weight_of(node), 0, 1)[:, 0]
        usable = np.isfinite(inputs) & ((inputs == 0) | (not self.padded(node)))
        taps = weight.reshape(weight.shape[0], -1).sum(axis=1, dtype=np.float64)
        sums = np.where(dead, 0.0, taps * np.where(usable, inputs, np.nan))
        constants.put(node.outputs[0], 1, sums + self.bias(node))

    def demand(self, node: ir.Node, demand: Demand) -> None:
        """As a contraction, or, depthwise, each channel whose filter is not zero."""
        if not _is_depthwise(node):
            super().demand(node, demand)
            return
        alive = demand.constants.nonzero(weight_of(node), 0, 1)[:, 0]
        demand_channels(node, demand, demand.of(node.outputs[0], 1) & alive)

    def reindex(self, node: ir.Node, kept: Kept) -> None:
        """As in groups; the weight of a depthwise Conv holds its channels itself."""
        if not _is_depthwise(node):
            super().reindex(node, kept)

    def resize(self, node: ir.Node) -> None:
        """A depthwise Conv has as many groups as channels."""
        channels = sizes(node.outputs[0])[1]
        depthwise = channels == sizes(source_of(node))[1] and sizes(weight_of(node))[:2] == (channels, 1)
        if groups_of(node) > 1 and isinstance(channels, int) and depthwise:
            node.attributes["group"] = ir.AttrInt64("group", channels)


def _is_depthwise(node: ir.Node) -> bool:
    weight = array_of(node.inputs[1])
    return (
        weight is not None
        and weight.shape[1] == 1
        and groups_of(node) == weight.shape[0] == sizes(node.outputs[0])[1] == sizes(source_of(node))[1]
        and weight.shape[0] > 1
        and has_plain_bias(node, row_axis=0)
    )
