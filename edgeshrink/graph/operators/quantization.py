"""QuantizeLinear and DequantizeLinear: numbers on a grid, with one scale for all or one for each channel."""

from __future__ import annotations

from collections.abc import Container
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx_ir as ir

from edgeshrink.graph.constants import Constants, Numbers, array_of
from edgeshrink.graph.demand import Demand
from edgeshrink.graph.operators.base import Operator, register, sizes, source_of
from edgeshrink.graph.spaces import Spaces

__all__ = ["Quantization"]

_CODES = {ir.DataType.INT8, ir.DataType.UINT8, ir.DataType.INT16, ir.DataType.UINT16}

_UNDECIDED = 1e-3
"""How near to the middle between two grid points, in steps, a number may round either way: what is computed
in float32 may differ from ours by far less."""


@register("QuantizeLinear", "DequantizeLinear")
class Quantization(Operator):
    """q = saturate(round(x / scale) + zero), and x = (q - zero) * scale."""

    def followed(self, node: ir.Node) -> Container[int]:
        """The data, the scale and the zero point."""
        return range(3)

    def couple(self, node: ir.Node, spaces: Spaces) -> None:
        """Carry all axes, and tie scales and zero points that are one for each channel."""
        source, output = source_of(node), node.outputs[0]
        parameters = [value for value in node.inputs[1:3] if value is not None]
        if node.attributes.get_int("block_size", 0) or any(len(sizes(value)) > 1 for value in parameters):
            super().couple(node, spaces)
            return
        for axis in spaces.axes_of(source):
            units = spaces.get(source, axis)
            assert units is not None
            spaces.put(output, axis, units)
            for value in parameters:
                if axis == _axis(node) and sizes(value) == (units.size,):
                    spaces.put(value, 0, units)

    def constants(self, node: ir.Node, constants: Constants) -> None:
        """What a pair of both makes of a constant: the grid point next to it, where that is beyond doubt."""
        source, output = source_of(node), node.outputs[0]
        before = source.producer()
        if node.op_type != "DequantizeLinear" or before is None or before.op_type != "QuantizeLinear":
            return
        for axis in constants.spaces.axes_of(output):
            if constants.spaces.get(source_of(before), axis) is None:
                continue
            numbers = constants.of(source_of(before), axis)
            codes = _codes(before, axis, numbers)
            grid = _parameters(node, axis, numbers.size)
            if codes is not None and grid is not None:
                constants.put(output, axis, (codes - grid[1]) * grid[0])

    def demand(self, node: ir.Node, demand: Demand) -> None:
        """What is demanded of the output is demanded of the data and of what is tied to it."""
        output = node.outputs[0]
        for axis in demand.spaces.axes_of(source_of(node)):
            demand.add(source_of(node), axis, demand.of(output, axis))
        for value in node.inputs[1:3]:
            if value is not None:
                demand.add_all(value)


def _axis(node: ir.Node) -> int:
    return node.attributes.get_int("axis", 1) % max(len(sizes(source_of(node))), 1)


def _parameters(node: ir.Node, axis: int, count: int) -> tuple[Numbers, Numbers] | None:
    """Scale and zero point per index along an axis, or one for all; None if computed, or of another axis."""
    scale = array_of(node.inputs[1])
    given = node.inputs[2] if len(node.inputs) > 2 else None
    zero: npt.NDArray[Any] | None = array_of(given) if given is not None else np.zeros(())
    if scale is None or zero is None:
        return None
    if any(array.size > 1 and (axis != _axis(node) or array.size != count) for array in (scale, zero)):
        return None
    return scale.reshape(-1).astype(np.float64), zero.reshape(-1).astype(np.float64)


def _codes(node: ir.Node, axis: int, numbers: Numbers) -> Numbers | None:
    """The integers that constants are rounded to; nan where not known or not beyond doubt."""
    grid, dtype = _parameters(node, axis, numbers.size), node.outputs[0].dtype
    if grid is None or dtype not in (
        ir.DataType.INT8,
        ir.DataType.UINT8,
        ir.DataType.INT16,
        ir.DataType.UINT16,
    ):
        return None
    limits = np.iinfo(dtype.numpy())
    steps = numbers / grid[0]
    doubtful = np.abs(np.abs(steps - np.floor(steps)) - 0.5) < _UNDECIDED
    codes = np.clip(np.rint(steps) + grid[1], limits.min, limits.max)
    return np.where(doubtful, np.nan, codes)
