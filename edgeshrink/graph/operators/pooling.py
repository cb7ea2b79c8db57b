"""Pooling and reductions over positions: channels are carried through, one by one."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import onnx_ir as ir

from edgeshrink.graph.constants import Constants, Numbers, array_of
from edgeshrink.graph.demand import Demand
from edgeshrink.graph.operators.base import Operator, describe, register
from edgeshrink.graph.spaces import Spaces

__all__ = ["Pooling", "Reduction"]


@register("MaxPool", "AveragePool", "GlobalAveragePool", "GlobalMaxPool")
class Pooling(Operator):
    """out[n, c] is a maximum or mean over windows of in[n, c]."""

    def couple(self, node: ir.Node, spaces: Spaces) -> None:
        """Channels are carried; the positions of a pooled value never shrink."""
        _carry(node, spaces, {1: 1})

    def constants(self, node: ir.Node, constants: Constants) -> None:
        """A constant stays one, unless zeros of the padding are averaged in."""
        source, output = node.inputs[0], node.outputs[0]
        assert source is not None
        if constants.spaces.get(output, 1) is None:
            return
        numbers = constants.of(source, 1)
        if _averages_padding(node):
            numbers = np.where(numbers == 0, 0.0, np.nan)
        constants.put(output, 1, numbers)

    def demand(self, node: ir.Node, demand: Demand) -> None:
        """A channel is demanded if its pooled channel is."""
        _carry_demand(node, demand, {1: 1})


def _averages_padding(node: ir.Node) -> bool:
    if node.op_type != "AveragePool" or not node.attributes.get_int("count_include_pad", 0):
        return False
    padded = any(node.attributes.get_ints("pads", [0]))
    automatic = node.attributes.get_string("auto_pad", "NOTSET").startswith("SAME")
    return padded or automatic or bool(node.attributes.get_int("ceil_mode", 0))


@register("ReduceMean", "ReduceMax", "ReduceMin", "ReduceSum")
class Reduction(Operator):
    """A mean, maximum, minimum or sum over some axes: the others are carried."""

    def couple(self, node: ir.Node, spaces: Spaces) -> None:
        """Pin what is reduced over, hand on the rest."""
        reduced = _reduced_axes(node)
        source = node.inputs[0]
        assert source is not None
        if reduced is None:
            super().couple(node, spaces)
            return
        for axis in spaces.axes_of(source):
            if axis in reduced:
                spaces.pin_axis(source, axis, f"reduced over by {describe(node)}")
        _carry(node, spaces, _kept_axes(node, reduced))

    def constants(self, node: ir.Node, constants: Constants) -> None:
        """Means and extremes of a constant are that constant; a sum is left unknown unless it is zero."""
        reduced = _reduced_axes(node)
        if reduced is None:
            return
        for own, axis in _kept_axes(node, reduced).items():
            if constants.spaces.get(node.outputs[0], axis) is not None:
                numbers: Numbers = constants.of(node.inputs[0], own)  # type: ignore[arg-type]
                if node.op_type == "ReduceSum":
                    numbers = np.where(numbers == 0, 0.0, np.nan)
                constants.put(node.outputs[0], axis, numbers)

    def demand(self, node: ir.Node, demand: Demand) -> None:
        """Carried axes demand what the output demands, reduced ones everything."""
        reduced = _reduced_axes(node)
        if reduced is None:
            super().demand(node, demand)
            return
        _carry_demand(node, demand, _kept_axes(node, reduced))


def _reduced_axes(node: ir.Node) -> set[int] | None:
    """The axes a Reduce op works on, from its attribute or its constant input; None if computed at run time."""
    source = node.inputs[0]
    assert source is not None
    assert source.shape is not None
    rank = len(source.shape)
    axes: npt.NDArray[Any] | tuple[int, ...] | None
    if len(node.inputs) > 1 and node.inputs[1] is not None:
        axes = array_of(node.inputs[1])
        if axes is None:
            return None
    else:
        axes = tuple(node.attributes.get_ints("axes", []))
    if len(axes) == 0:
        return set() if node.attributes.get_int("noop_with_empty_axes", 0) else set(range(rank))
    return {int(axis) % rank for axis in axes}


def _kept_axes(node: ir.Node, reduced: set[int]) -> dict[int, int]:
    """Input axis -> output axis of what is not reduced."""
    source = node.inputs[0]
    assert source is not None
    assert source.shape is not None
    kept = [axis for axis in range(len(source.shape)) if axis not in reduced]
    keepdims = node.attributes.get_int("keepdims", 1)
    return {axis: axis if keepdims else i for i, axis in enumerate(kept)}


def _carry(node: ir.Node, spaces: Spaces, axes: dict[int, int]) -> None:
    source = node.inputs[0]
    assert source is not None
    for axis in spaces.axes_of(source):
        units = spaces.get(source, axis)
        assert units is not None
        if axis in axes:
            spaces.put(node.outputs[0], axes[axis], units)
        else:
            spaces.pin(units, f"pooled over by {describe(node)}")


def _carry_demand(node: ir.Node, demand: Demand, axes: dict[int, int]) -> None:
    source = node.inputs[0]
    assert source is not None
    for axis in demand.spaces.axes_of(source):
        everything = np.ones(1, dtype=bool)
        demand.add(source, axis, demand.of(node.outputs[0], axes[axis]) if axis in axes else everything)
