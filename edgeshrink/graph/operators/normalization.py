"""Normalization with stored statistics, and operators that mix along one axis."""

from __future__ import annotations

from collections.abc import Container

import numpy as np
import numpy.typing as npt
import onnx_ir as ir

from edgeshrink.graph.constants import Constants, array_of
from edgeshrink.graph.demand import Demand
from edgeshrink.graph.operators.base import (
    EVERYTHING,
    Operator,
    demand_channels,
    describe,
    opset_of,
    pin_positions,
    register,
    sizes,
    source_of,
)
from edgeshrink.graph.spaces import Spaces

__all__ = [
    "BatchNormalization",
    "InstanceNormalization",
    "LayerNormalization",
    "MixesOneAxis",
    "affine_of",
]


@register("BatchNormalization")
class BatchNormalization(Operator):
    """out[:, c] = scale[c] * (in[:, c] - mean[c]) / sqrt(var[c] + epsilon) + bias[c], at inference."""

    def followed(self, node: ir.Node) -> Container[int]:
        """The input and the four parameters."""
        return range(5)

    def couple(self, node: ir.Node, spaces: Spaces) -> None:
        """One space through the input, the four parameters and the output."""
        parameters = node.inputs[1:]
        units = spaces.get(source_of(node), 1)
        if units is None or affine_of(node) is None:
            super().couple(node, spaces)
            return
        for parameter in parameters:
            assert parameter is not None
            spaces.put(parameter, 0, units)
        spaces.put(node.outputs[0], 1, units)
        pin_positions(node, spaces)

    def constants(self, node: ir.Node, constants: Constants) -> None:
        """Constants go through the affine map; where its slope is zero, the output is the offset."""
        affine = affine_of(node)
        if affine is None or constants.spaces.get(node.outputs[0], 1) is None:
            return
        slope, offset = affine
        inputs = constants.of(source_of(node), 1)
        constants.put(node.outputs[0], 1, np.where(slope == 0, offset, slope * inputs + offset))

    def demand(self, node: ir.Node, demand: Demand) -> None:
        """Demand the channels whose slope is not zero."""
        affine = affine_of(node)
        if affine is None or demand.spaces.get(node.outputs[0], 1) is None:
            super().demand(node, demand)
            return
        demand_channels(node, demand, demand.of(node.outputs[0], 1) & (affine[0] != 0))


def affine_of(node: ir.Node) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]] | None:
    """The slope and the offset per channel, float64; None where they are computed at run time."""
    arrays = [array_of(value) for value in node.inputs[1:5]]
    training, spatial = node.attributes.get_int("training_mode", 0), node.attributes.get_int("spatial", 1)
    if any(array is None for array in arrays) or training == 1 or spatial == 0:
        return None
    scale, bias, mean, var = (np.asarray(array, dtype=np.float64) for array in arrays)
    with np.errstate(all="ignore"):  # a variance below zero makes nan, which counts as not known
        slope = scale / np.sqrt(var + node.attributes.get_float("epsilon", 1e-5))
    return slope, bias - slope * mean


@register("Softmax", "LogSoftmax", "Hardmax", "LpNormalization")
class MixesOneAxis(Operator):
    """Every element along `axis` depends on all others along it: that axis stays, the others are carried."""

    def followed(self, node: ir.Node) -> Container[int]:
        """The only input."""
        return range(1)

    def mixed(self, node: ir.Node) -> range:
        """The axes that are mixed: one; before opset 13, of a softmax, that axis and all behind it."""
        rank = len(sizes(source_of(node)))
        one = opset_of(node) >= 13 or node.op_type == "LpNormalization"
        axis = node.attributes.get_int("axis", -1 if one else 1) % rank
        return range(axis, axis + 1 if one else rank)

    def couple(self, node: ir.Node, spaces: Spaces) -> None:
        """Pin the mixed axes, hand on the others."""
        source, mixed = source_of(node), self.mixed(node)
        for axis in spaces.axes_of(source):
            units = spaces.get(source, axis)
            assert units is not None
            if axis in mixed:
                spaces.pin(units, f"mixed by {describe(node)}")
            else:
                spaces.put(node.outputs[0], axis, units)

    def demand(self, node: ir.Node, demand: Demand) -> None:
        """Mixed axes are demanded whole, the others as far as the output's are."""
        source, mixed = source_of(node), self.mixed(node)
        for axis in demand.spaces.axes_of(source):
            demand.add(source, axis, EVERYTHING if axis in mixed else demand.of(node.outputs[0], axis))


@register("LayerNormalization", "RMSNormalization")
class LayerNormalization(MixesOneAxis):
    """`axis` and all axes behind it are mixed and keep their scale; those before are carried."""

    def mixed(self, node: ir.Node) -> range:
        """From `axis` to the last."""
        rank = len(sizes(source_of(node)))
        return range(node.attributes.get_int("axis", -1) % rank, rank)


@register("InstanceNormalization")
class InstanceNormalization(Operator):
    """out[n, c] = scale[c] * (in[n, c] - its mean) / its deviation + bias[c]: channel by channel."""

    def followed(self, node: ir.Node) -> Container[int]:
        """The input, the scale and the bias."""
        return range(3)

    def couple(self, node: ir.Node, spaces: Spaces) -> None:
        """One space through the input, both parameters and the output."""
        source = source_of(node)
        units = spaces.get(source, 1)
        if units is None or _parameters(node) is None:
            super().couple(node, spaces)
            return
        for value, axis in ((node.inputs[1], 0), (node.inputs[2], 0), (node.outputs[0], 1)):
            assert value is not None
            spaces.put(value, axis, units)
        pin_positions(node, spaces)

    def constants(self, node: ir.Node, constants: Constants) -> None:
        """The bias, where the scale or the input is zero.

        Of another constant the deviation is zero too, but its float32 mean is off by a rounding that is then
        divided by the root of epsilon: too much to promise.
        """
        parameters = _parameters(node)
        if parameters is not None and constants.spaces.get(node.outputs[0], 1) is not None:
            silent = (parameters[0] == 0) | (constants.of(source_of(node), 1) == 0)
            constants.put(node.outputs[0], 1, np.where(silent, parameters[1], np.nan))

    def demand(self, node: ir.Node, demand: Demand) -> None:
        """Demand the channels whose scale is not zero."""
        parameters = _parameters(node)
        if parameters is None or demand.spaces.get(node.outputs[0], 1) is None:
            super().demand(node, demand)
            return
        demand_channels(node, demand, demand.of(node.outputs[0], 1) & (parameters[0] != 0))


def _parameters(node: ir.Node) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]] | None:
    """Scale and bias per channel, float64; None where they are not one finite constant for each."""
    scale, bias = (array_of(value) for value in node.inputs[1:3])
    channels = sizes(source_of(node))[1]
    if scale is None or bias is None or scale.shape != (channels,) or bias.shape != (channels,):
        return None
    if not (np.isfinite(scale).all() and np.isfinite(bias).all()):
        return None
    return scale.astype(np.float64), bias.astype(np.float64)
