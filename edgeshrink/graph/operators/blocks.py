"""DepthToSpace and SpaceToDepth: blocks of positions become channels, and channels blocks."""

from __future__ import annotations

from collections.abc import Container
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx_ir as ir

from edgeshrink.graph.constants import Constants
from edgeshrink.graph.demand import Demand
from edgeshrink.graph.operators.base import (
    Operator,
    demand_channels,
    pin_positions,
    register,
    sizes,
    source_of,
)
from edgeshrink.graph.spaces import Spaces

__all__ = ["DepthToSpace", "SpaceToDepth"]


@register("DepthToSpace")
class DepthToSpace(Operator):
    """The b * b channels that make the blocks of one output channel leave together."""

    def followed(self, node: ir.Node) -> Container[int]:
        """The only input."""
        return range(1)

    def couple(self, node: ir.Node, spaces: Spaces) -> None:
        """Tie the channels of a block, which are the output's; positions stay."""
        source = source_of(node)
        units = spaces.get(source, 1)
        pin_positions(node, spaces)
        if units is None:
            return
        blocks = _by_block(node, units)
        for member in blocks[1:]:
            spaces.tie(blocks[0], member)
        spaces.put(node.outputs[0], 1, blocks[0])

    def constants(self, node: ir.Node, constants: Constants) -> None:
        """A constant if all channels of the block agree on it."""
        if constants.spaces.get(node.outputs[0], 1) is None:
            return
        blocks = _by_block(node, constants.of(source_of(node), 1))
        constants.put(node.outputs[0], 1, np.where((blocks == blocks[0]).all(axis=0), blocks[0], np.nan))

    def demand(self, node: ir.Node, demand: Demand) -> None:
        """Each channel of a block is demanded if the output's channel is."""
        size = sizes(source_of(node))[1]
        if demand.spaces.get(source_of(node), 1) is None or not isinstance(size, int):
            super().demand(node, demand)
            return
        mask = np.zeros(size, dtype=bool)
        mask[_by_block(node, np.arange(size))] = demand.of(node.outputs[0], 1)
        demand_channels(node, demand, mask)


@register("SpaceToDepth")
class SpaceToDepth(Operator):
    """Each channel becomes b * b: out channel k * C + c is unit c."""

    def followed(self, node: ir.Node) -> Container[int]:
        """The only input."""
        return range(1)

    def couple(self, node: ir.Node, spaces: Spaces) -> None:
        """Repeat the units; positions stay."""
        units = spaces.get(source_of(node), 1)
        pin_positions(node, spaces)
        if units is not None:
            spaces.put(node.outputs[0], 1, np.tile(units, _block(node)))

    def constants(self, node: ir.Node, constants: Constants) -> None:
        """Constants are repeated."""
        if constants.spaces.get(node.outputs[0], 1) is not None:
            constants.put(node.outputs[0], 1, np.tile(constants.of(source_of(node), 1), _block(node)))

    def demand(self, node: ir.Node, demand: Demand) -> None:
        """A channel is demanded if any of its positions is."""
        if demand.spaces.get(source_of(node), 1) is None:
            super().demand(node, demand)
            return
        places = demand.of(node.outputs[0], 1).reshape(_block(node), -1)
        demand_channels(node, demand, np.logical_or.reduce(places, axis=0))


def _block(node: ir.Node) -> int:
    """Positions in a block."""
    side = node.attributes.get_int("blocksize", 1)
    return side * side


def _by_block(node: ir.Node, per_channel: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """(channels,) -> (positions in a block, output channels)."""
    if node.attributes.get_string("mode", "DCR") == "CRD":
        return np.asarray(per_channel.reshape(-1, _block(node)).T)
    return per_channel.reshape(_block(node), -1)
