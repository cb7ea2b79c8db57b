"""Pooling over positions: channels are carried through, one by one."""

from __future__ import annotations

from collections.abc import Container, Sequence

import numpy as np
import onnx_ir as ir

from edgeshrink.graph.constants import Constants
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

__all__ = ["Pooling"]


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
        for axis in spaces.axes_of(source_of(node)):
            if axis != 1:
                spaces.pin_axis(source_of(node), axis, f"pooled over by {describe(node)}")
        if units is not None:
            spaces.put(node.outputs[0], 1, units)
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
        source, output = source_of(node), node.outputs[0]
        carried = demand.spaces.get(output, 1) is not None
        for axis in demand.spaces.axes_of(source):
            demand.add(source, axis, demand.of(output, 1) if carried and axis == 1 else EVERYTHING)


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
