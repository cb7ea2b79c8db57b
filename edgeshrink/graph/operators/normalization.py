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
    describe,
    opset_of,
    register,
    sizes,
    source_of,
)
from edgeshrink.graph.spaces import Spaces

__all__ = ["BatchNormalization", "MixesOneAxis", "affine_of"]


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
        for axis in spaces.axes_of(source_of(node)):
            if axis != 1:
                spaces.pin_axis(source_of(node), axis, f"a position in {describe(node)}")

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
        for axis in demand.spaces.axes_of(source_of(node)):
            wanted = demand.of(node.outputs[0], 1) & (affine[0] != 0) if axis == 1 else EVERYTHING
            demand.add(source_of(node), axis, wanted)


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


@register("Softmax", "LogSoftmax")
class MixesOneAxis(Operator):
    """Every element along `axis` depends on all others along it: that axis stays, the others are carried."""

    def followed(self, node: ir.Node) -> Container[int]:
        """The only input."""
        return range(1)

    def couple(self, node: ir.Node, spaces: Spaces) -> None:
        """Pin the mixed axes, hand on the others."""
        source, mixed = source_of(node), _mixed_axes(node)
        for axis in spaces.axes_of(source):
            units = spaces.get(source, axis)
            assert units is not None
            if axis in mixed:
                spaces.pin(units, f"mixed by {describe(node)}")
            else:
                spaces.put(node.outputs[0], axis, units)


def _mixed_axes(node: ir.Node) -> range:
    """One axis; before opset 13, that axis and all behind it."""
    rank = len(sizes(source_of(node)))
    one = opset_of(node) >= 13
    axis = node.attributes.get_int("axis", -1 if one else 1) % rank
    return range(axis, axis + 1 if one else rank)
