"""Pooling and reductions over positions: channels are carried through, one by one."""

from __future__ import annotations

from collections.abc import Container, Sequence

import numpy as np
import onnx_ir as ir

from edgeshrink.graph.constants import Constants, array_of
from edgeshrink.graph.demand import Demand
from edgeshrink.graph.operators.base import (
    EVERYTHING,
    Operator,
    describe,
    is_padded,
    register,
    sizes,
    source_of,
)
from edgeshrink.graph.spaces import Spaces

__all__ = ["Pooling", "Reduction"]


@register("MaxPool", "AveragePool", "LpPool", "GlobalAveragePool", "GlobalMaxPool", "GlobalLpPool")
class Pooling(Operator):
    """out[n, c] is a maximum, mean or norm over windows of in[n, c].

    The places of the maxima, which MaxPool may tell as well, count channels too: who asks for them pins all.
    """

    several_outputs = True

    def followed(self, node: ir.Node) -> Container[int]:
        """The only input."""
        return range(1)

    def couple(self, node: ir.Node, spaces: Spaces) -> None:
        """Channels are carried; the positions of a pooled value never shrink."""
        units, places = spaces.get(source_of(node), 1), node.outputs[1:]
        if any(value.uses() or value.is_graph_output() for value in places):
            super().couple(node, spaces)
            return
        _carry(node, spaces, {1: 1})
        for value in places:
            if units is not None and value.shape is not None:
                spaces.put(value, 1, units)

    def constants(self, node: ir.Node, constants: Constants) -> None:
        """A constant stays one, unless zeros of padding are averaged in, or a window holds only padding."""
        output = node.outputs[0]
        if constants.spaces.get(output, 1) is None or not _every_window_sees_input(node):
            return
        numbers = constants.of(source_of(node), 1)
        if _averages_padding(node) or "Lp" in node.op_type:
            numbers = np.where(numbers == 0, 0.0, np.nan)
        constants.put(output, 1, numbers)

    def demand(self, node: ir.Node, demand: Demand) -> None:
        """A channel is demanded if its pooled channel is."""
        carried = demand.spaces.get(node.outputs[0], 1) is not None
        _carry_demand(node, demand, {1: 1} if carried else {})


def _averages_padding(node: ir.Node) -> bool:
    if node.op_type != "AveragePool" or not node.attributes.get_int("count_include_pad", 0):
        return False
    return is_padded(node) or bool(node.attributes.get_int("ceil_mode", 0))


def _every_window_sees_input(node: ir.Node) -> bool:
    """Whether no window lies in the padding alone, where a maximum is minus infinity and a mean is 0 / 0.

    Windows wider than the padding in front and behind see some input, but for what `ceil_mode` adds at the
    end: there the last window must start before the input ends.
    """
    kernel = node.attributes.get_ints("kernel_shape", [])
    pads = node.attributes.get_ints("pads", [0] * (2 * len(kernel)))
    if any(pad >= size for pad, size in zip(pads, [*kernel, *kernel], strict=True)):
        return False
    ceil_mode = node.attributes.get_int("ceil_mode", 0)
    dilated = any(step != 1 for step in node.attributes.get_ints("dilations", [1]))
    if dilated and (is_padded(node) or ceil_mode):
        return False
    return not ceil_mode or _last_windows_see_input(node, pads)


def _last_windows_see_input(node: ir.Node, pads: Sequence[int]) -> bool:
    before, after = sizes(source_of(node))[2:], sizes(node.outputs[0])[2:]
    strides = node.attributes.get_ints("strides", [1] * len(before))
    return all(
        isinstance(size, int) and isinstance(count, int) and (count - 1) * stride - pad < size
        for size, count, stride, pad in zip(before, after, strides, pads[: len(before)], strict=True)
    )


@register("ReduceMean", "ReduceMax", "ReduceMin", "ReduceSum")
class Reduction(Operator):
    """A mean, maximum, minimum or sum over some axes: the others are carried."""

    def followed(self, node: ir.Node) -> Container[int]:
        """The data; not the axes."""
        return range(1)

    def couple(self, node: ir.Node, spaces: Spaces) -> None:
        """Pin what is reduced over, hand on the rest."""
        reduced = _reduced_axes(node)
        if reduced is None:
            super().couple(node, spaces)
        else:
            _carry(node, spaces, _kept_axes(node, reduced))

    def constants(self, node: ir.Node, constants: Constants) -> None:
        """Means and extremes of a constant are that constant; a sum is left unknown unless it is zero."""
        reduced, output = _reduced_axes(node), node.outputs[0]
        for own, axis in _kept_axes(node, reduced).items() if reduced is not None else ():
            if constants.spaces.get(output, axis) is not None:
                numbers = constants.of(source_of(node), own)
                if node.op_type == "ReduceSum":
                    numbers = np.where(numbers == 0, 0.0, np.nan)
                constants.put(output, axis, numbers)

    def demand(self, node: ir.Node, demand: Demand) -> None:
        """Carried axes demand what the output demands, reduced ones everything."""
        reduced = _reduced_axes(node)
        if reduced is None:
            super().demand(node, demand)
        else:
            _carry_demand(node, demand, _kept_axes(node, reduced))


def _reduced_axes(node: ir.Node) -> set[int] | None:
    """The axes a Reduce op works on, from its attribute or its constant input; None if not known."""
    rank = len(sizes(source_of(node)))
    axes = list(node.attributes.get_ints("axes", []))
    if len(node.inputs) > 1 and node.inputs[1] is not None:
        array = array_of(node.inputs[1])
        if array is None:
            return None
        axes = array.reshape(-1).astype(int).tolist()
    if not axes:
        return set() if node.attributes.get_int("noop_with_empty_axes", 0) else set(range(rank))
    return {axis % rank for axis in axes}


def _kept_axes(node: ir.Node, reduced: set[int]) -> dict[int, int]:
    """Input axis -> output axis of what is not reduced."""
    kept = [axis for axis in range(len(sizes(source_of(node)))) if axis not in reduced]
    keepdims = node.attributes.get_int("keepdims", 1)
    return {axis: axis if keepdims else i for i, axis in enumerate(kept)}


def _carry(node: ir.Node, spaces: Spaces, axes: dict[int, int]) -> None:
    """Hand on the units of these axes (input axis -> output axis), pin the others."""
    source = source_of(node)
    for axis in spaces.axes_of(source):
        units = spaces.get(source, axis)
        assert units is not None
        if axis in axes:
            spaces.put(node.outputs[0], axes[axis], units)
        else:
            spaces.pin(units, f"pooled over by {describe(node)}")


def _carry_demand(node: ir.Node, demand: Demand, axes: dict[int, int]) -> None:
    source = source_of(node)
    for axis in demand.spaces.axes_of(source):
        demand.add(source, axis, demand.of(node.outputs[0], axes[axis]) if axis in axes else EVERYTHING)
