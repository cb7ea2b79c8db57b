"""ConvTranspose, dense and in groups."""

from __future__ import annotations

from math import prod

import onnx_ir as ir

from edgeshrink.graph.operators.base import register, sizes
from edgeshrink.graph.operators.contraction import weight_of
from edgeshrink.graph.operators.grouped import GroupedContraction

__all__ = ["TransposedConvolution"]


@register("ConvTranspose")
class TransposedConvolution(GroupedContraction):
    """ConvTranspose in any number of dimensions; the weight is (in, out / groups, *kernel)."""

    transposed = True

    def padded(self, node: ir.Node) -> bool:
        """Whether positions may see different taps, so that a constant makes a pattern: of all but 1 x 1."""
        kernel = [size for size in sizes(weight_of(node))[2:] if isinstance(size, int)]
        strides = node.attributes.get_ints("strides", [1])
        moved = [*node.attributes.get_ints("pads", [0]), *node.attributes.get_ints("output_padding", [0])]
        named = (
            "output_shape" in node.attributes or node.attributes.get_string("auto_pad", "NOTSET") != "NOTSET"
        )
        return prod(kernel) != 1 or any(step != 1 for step in strides) or any(moved) or named
