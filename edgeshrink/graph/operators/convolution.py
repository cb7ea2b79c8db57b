"""Conv, dense and depthwise."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from edgeshrink.graph.constants import Constants, array_of
from edgeshrink.graph.demand import Demand
from edgeshrink.graph.operators.base import register
from edgeshrink.graph.operators.contraction import Contraction, has_plain_bias, operands, tie_bias
from edgeshrink.graph.spaces import Spaces

__all__ = ["Convolution"]


@register("Conv")
class Convolution(Contraction):
    """Conv with group 1, in any number of dimensions, and its depthwise form (one filter a channel).

    A depthwise Conv does not contract: each channel is carried through, and a non-zero constant only where no
    padding breaks it at the border. Other grouped Convs stay as they are.
    """

    def _axes(self, node: ir.Node) -> tuple[int, int, int, int] | None:
        """Channels are axis 1; the weight is (out, in, *kernel)."""
        return (1, 1, 0, 1) if _groups(node) == 1 else None

    def padded(self, node: ir.Node) -> bool:
        """Explicit padding of any side, or automatic padding other than VALID."""
        auto_pad = node.attributes.get_string("auto_pad", "NOTSET")
        return auto_pad.startswith("SAME") or any(node.attributes.get_ints("pads", [0]))

    def couple(self, node: ir.Node, spaces: Spaces) -> None:
        """As a contraction, or, depthwise, one space through input, weight, bias and output."""
        source, weight = operands(node)
        units = spaces.get(source, 1)
        if not _is_depthwise(node):
            super().couple(node, spaces)
            return
        if units is None:
            super().couple(node, spaces)
            return
        spaces.put(weight, 0, units)
        spaces.put(node.outputs[0], 1, units)
        tie_bias(node, units, spaces)

    def constants(self, node: ir.Node, constants: Constants) -> None:
        """As a contraction, or, depthwise, channel by channel."""
        if not _is_depthwise(node):
            super().constants(node, constants)
            return
        weight = array_of(node.inputs[1])
        assert weight is not None
        inputs = constants.of(operands(node)[0], 1)
        taps = weight.reshape(weight.shape[0], -1).astype(np.float64)
        dead = (taps == 0).all(axis=1)
        usable = np.isfinite(inputs) & ((inputs == 0) | (not self.padded(node)))
        sums = np.where(dead, 0.0, taps.sum(axis=1) * np.where(usable, inputs, np.nan))
        constants.put(node.outputs[0], 1, sums + self.bias(node))

    def demand(self, node: ir.Node, demand: Demand) -> None:
        """As a contraction, or, depthwise, each channel whose filter is not zero."""
        weight = array_of(node.inputs[1])
        if not _is_depthwise(node) or weight is None:
            super().demand(node, demand)
            return
        alive = (weight != 0).any(axis=tuple(range(1, weight.ndim)))
        demand.add(operands(node)[0], 1, demand.of(node.outputs[0], 1) & alive)

    def resize(self, node: ir.Node) -> None:
        """A depthwise Conv has as many groups as channels."""
        weight = array_of(node.inputs[1])
        if _groups(node) > 1 and weight is not None and weight.shape[1] == 1:
            source = operands(node)[0]
            assert source.shape is not None
            node.attributes["group"] = ir.AttrInt64("group", int(source.shape[1]))  # type: ignore[arg-type]


def _groups(node: ir.Node) -> int:
    return node.attributes.get_int("group", 1)


def _is_depthwise(node: ir.Node) -> bool:
    weight = array_of(node.inputs[1])
    return (
        weight is not None
        and weight.shape[1] == 1
        and _groups(node) == weight.shape[0] > 1
        and has_plain_bias(node, row_axis=0)
    )
