"""GroupNormalization: channels are normalized together with those of their group.

Every channel of a group enters its mean and deviation, the dead ones too: only whole groups can leave. A
group that is zero emits its bias. Written as Reshape, InstanceNormalization and Reshape, as exporters do
where the operator is not to be had, it is seen through as well: groups are the instances there.
"""

from __future__ import annotations

from collections.abc import Container

import numpy as np
import onnx_ir as ir

from edgeshrink.graph.constants import Constants, Numbers, array_of
from edgeshrink.graph.demand import Demand
from edgeshrink.graph.operators.base import (
    Kept,
    Operator,
    demand_channels,
    opset_of,
    pin_positions,
    register,
    sizes,
    source_of,
)
from edgeshrink.graph.spaces import Spaces

__all__ = ["GroupNormalization"]

_BY_CHANNEL = 21
"""The opset from which scale and bias are one for each channel; before, they are one for each group."""


@register("GroupNormalization")
class GroupNormalization(Operator):
    """out[g, c] = scale * (in[g, c] - mean of in[g]) / deviation of in[g] + bias."""

    def followed(self, node: ir.Node) -> Container[int]:
        """The input, the scale and the bias."""
        return range(3)

    def couple(self, node: ir.Node, spaces: Spaces) -> None:
        """Tie the channels of a group; scale and bias go with them."""
        source = source_of(node)
        units = spaces.get(source, 1)
        if units is None or _parameters(node) is None:
            super().couple(node, spaces)
            return
        members = units.reshape(_groups(node), -1)
        spaces.tie(np.repeat(members[:, 0], members.shape[1] - 1), members[:, 1:].reshape(-1))
        spaces.put(node.outputs[0], 1, units)
        for value in node.inputs[1:3]:
            assert value is not None
            spaces.put(value, 0, units if opset_of(node) >= _BY_CHANNEL else members[:, 0])
        pin_positions(node, spaces)

    def constants(self, node: ir.Node, constants: Constants) -> None:
        """The bias, where the scale or all of the group is zero; as in InstanceNormalization."""
        parameters = _parameters(node)
        if parameters is None or constants.spaces.get(node.outputs[0], 1) is None:
            return
        numbers = constants.of(source_of(node), 1).reshape(_groups(node), -1)
        silent = np.repeat((numbers == 0).all(axis=1), numbers.shape[1])
        scale, bias = parameters
        constants.put(node.outputs[0], 1, np.where(silent | (scale == 0), bias, np.nan))

    def demand(self, node: ir.Node, demand: Demand) -> None:
        """Demand all of a group if any of its channels is, with a scale that is not zero."""
        parameters, output = _parameters(node), node.outputs[0]
        if parameters is None or demand.spaces.get(output, 1) is None:
            super().demand(node, demand)
            return
        wanted = (demand.of(output, 1) & (parameters[0] != 0)).reshape(_groups(node), -1)
        demand_channels(node, demand, np.repeat(wanted.any(axis=1), wanted.shape[1]))

    def reindex(self, node: ir.Node, kept: Kept) -> None:
        """Count the groups that are left."""
        stays = kept(node.outputs[0], 1)
        if not stays.all():
            left = stays.reshape(_groups(node), -1).any(axis=1).sum()
            node.attributes["num_groups"] = ir.AttrInt64("num_groups", int(left))


def _groups(node: ir.Node) -> int:
    return node.attributes.get_int("num_groups", 1)


def _parameters(node: ir.Node) -> tuple[Numbers, Numbers] | None:
    """Scale and bias per channel, float64; None where they are not finite constants of the right number."""
    scale, bias = (array_of(value) for value in node.inputs[1:3])
    channels, groups = sizes(source_of(node))[1], _groups(node)
    if scale is None or bias is None or not isinstance(channels, int) or groups < 1 or channels % groups:
        return None
    count = channels if opset_of(node) >= _BY_CHANNEL else groups
    if scale.shape != (count,) or bias.shape != (count,):
        return None
    if not (np.isfinite(scale).all() and np.isfinite(bias).all()):
        return None
    each = channels // count
    return np.repeat(scale, each).astype(np.float64), np.repeat(bias, each).astype(np.float64)
