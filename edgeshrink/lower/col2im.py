"""Col2Im(x) -> ConvTranspose(x, ones where channel and tap meet) below opset 18 and for parsers without it.

Each channel of x is one tap of one channel of the picture; a transposed convolution puts it there and adds up
what overlaps. torch's fold.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import numpy as np
import onnx_ir as ir

from edgeshrink.graph.stored import stored_array
from edgeshrink.lower.rule import NodeRule, Recorder

__all__ = ["LowerCol2Im"]


class LowerCol2Im(NodeRule):
    """Fires on float32 of a known number of channels, and constant sizes of picture and block."""

    op_types = frozenset({"Col2Im"})
    native_from = 18

    def rewrite(self, node: ir.Node, op: Recorder) -> Sequence[ir.Value] | None:
        """Rows and columns that no block reaches are zeros, which output_padding adds."""
        x, picture, block = node.inputs[0], stored_array(node.inputs[1]), stored_array(node.inputs[2])
        if x is None or x.dtype != ir.DataType.FLOAT or x.shape is None or picture is None or block is None:
            return None
        columns, kernel, sizes = x.shape[1], block.tolist(), picture.tolist()
        rank = len(kernel)
        if not isinstance(columns, int) or rank not in (1, 2, 3):
            return None
        strides = list(node.attributes.get_ints("strides", [1] * rank))
        dilations = list(node.attributes.get_ints("dilations", [1] * rank))
        pads = list(node.attributes.get_ints("pads", [0] * (2 * rank)))
        spaces = [
            size + pads[axis] + pads[axis + rank] - dilations[axis] * (kernel[axis] - 1) - 1
            for axis, size in enumerate(sizes)
        ]
        if min(spaces) < 0:
            return None
        blocks = [space // stride + 1 for space, stride in zip(spaces, strides, strict=True)]
        rest = [space % stride for space, stride in zip(spaces, strides, strict=True)]
        taps = prod(kernel)
        weight = np.tile(np.eye(taps).reshape(taps, 1, *kernel), (columns // taps, *[1] * (rank + 1)))
        apart = op("Reshape", x, op.constant([0, columns, *blocks]))
        given = {"strides": strides, "dilations": dilations, "pads": pads, "output_padding": rest}
        inputs = [apart, op.constant(weight, x.dtype)]
        return [op.op("ConvTranspose", inputs, {"group": columns // taps, **given})]
