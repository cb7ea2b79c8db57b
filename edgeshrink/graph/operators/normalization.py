"""Normalization with stored statistics, and operators that mix along one axis."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from edgeshrink.graph.constants import Constants, array_of
from edgeshrink.graph.demand import Demand
from edgeshrink.graph.operators.base import Operator, describe, register
from edgeshrink.graph.spaces import Spaces

__all__ = ["BatchNormalization", "MixesOneAxis"]


@register("BatchNormalization")
class BatchNormalization(Operator):
    """out[:, c] = scale[c] * (in[:, c] - mean[c]) / sqrt(var[c] + epsilon) + bias[c], at inference."""

    def couple(self, node: ir.Node, spaces: Spaces) -> None:
        """One space through the input, the four parameters and the output."""
        source, *parameters = node.inputs
        assert source is not None
        units = spaces.get(source, 1)
        if units is None or not _is_inference(node):
            super().couple(node, spaces)
            return
        for parameter in parameters:
            assert parameter is not None
            spaces.put(parameter, 0, units)
        spaces.put(node.outputs[0], 1, units)

    def constants(self, node: ir.Node, constants: Constants) -> None:
        """Constants go through the affine map; where its slope is zero, the output is the bias."""
        output = node.outputs[0]
        if constants.spaces.get(output, 1) is None:
            return
        slope, offset = _affine(node)
        inputs = constants.of(node.inputs[0], 1)  # type: ignore[arg-type]
        constants.put(output, 1, np.where(slope == 0, offset, slope * inputs + offset))

    def demand(self, node: ir.Node, demand: Demand) -> None:
        """Demand the channels whose slope is not zero."""
        if demand.spaces.get(node.outputs[0], 1) is None:
            super().demand(node, demand)
            return
        slope, _ = _affine(node)
        demand.add(node.inputs[0], 1, demand.of(node.outputs[0], 1) & (slope != 0))  # type: ignore[arg-type]


def _is_inference(node: ir.Node) -> bool:
    constant = all(array_of(value) is not None for value in node.inputs[1:])
    return constant and not node.attributes.get_int("training_mode", 0)


def _affine(node: ir.Node) -> tuple[np.ndarray, np.ndarray]:  # type: ignore[type-arg]
    arrays = [array_of(value) for value in node.inputs[1:]]
    scale, bias, mean, var = (np.asarray(array, dtype=np.float64) for array in arrays)
    slope = scale / np.sqrt(var + node.attributes.get_float("epsilon", 1e-5))
    return slope, bias - slope * mean


@register("Softmax", "LogSoftmax")
class MixesOneAxis(Operator):
    """Every element along `axis` depends on all the others along it: that axis stays, the others are carried."""

    def couple(self, node: ir.Node, spaces: Spaces) -> None:
        """Pin the mixed axis, hand on the others."""
        source, output = node.inputs[0], node.outputs[0]
        assert source is not None
        assert source.shape is not None
        mixed = node.attributes.get_int("axis", -1) % len(source.shape)
        for axis in spaces.axes_of(source):
            units = spaces.get(source, axis)
            assert units is not None
            if axis == mixed:
                spaces.pin(units, f"mixed by {describe(node)}")
            else:
                spaces.put(output, axis, units)
