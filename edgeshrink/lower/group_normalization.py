"""GroupNormalization(x) -> reshape to (N, groups, rest), normalise over rest, reshape back, * scale + bias.

Below opset 21, which made a new operator of it: before, scale and bias held one number a group, and what
has them is deprecated, so ONNX's checker refuses it. Both are written out a channel. The definition in the
ONNX standard, with variance = mean((x - mean)^2).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx_ir as ir

from edgeshrink.graph.stored import stored_array
from edgeshrink.lower.rule import NodeRule, Recorder

__all__ = ["LowerGroupNormalization"]


class LowerGroupNormalization(NodeRule):
    """Fires on sizes known but for the batch, and types of 32 bits and more."""

    op_types = frozenset({"GroupNormalization"})
    native_from = 18

    def rewrite(self, node: ir.Node, op: Recorder) -> Sequence[ir.Value] | None:
        """Three-dimensional in between, whatever the input's rank."""
        x, scale, bias = node.inputs
        groups = node.attributes.get_int("num_groups")
        if x is None or x.dtype not in (ir.DataType.FLOAT, ir.DataType.DOUBLE) or x.shape is None:
            return None
        if scale is None or bias is None or groups is None:
            return None
        if not all(isinstance(size, int) for size in x.shape[1:]):
            return None
        sizes = [0, *(int(size) for size in x.shape[1:])]  # type: ignore[arg-type]  # 0: as it was
        grouped = op("Reshape", x, op.constant([0, groups, -1]))
        mean = op.reduce("ReduceMean", grouped, [2], self.opset)
        apart = op("Sub", grouped, mean)
        variance = op.reduce("ReduceMean", op("Mul", apart, apart), [2], self.opset)
        epsilon = op.constant(node.attributes.get_float("epsilon", 1e-5), x.dtype)
        normal = op("Reshape", op("Div", apart, op("Sqrt", op("Add", variance, epsilon))), op.constant(sizes))
        factor, offset = (_of_channels(part, sizes, groups, self.target.source, op) for part in (scale, bias))
        return [op("Add", op("Mul", normal, factor), offset)]

    def _is_foreign(self, node: ir.Node) -> bool:
        return self.opset < 21 or super()._is_foreign(node)


def _of_channels(part: ir.Value, sizes: Sequence[int], groups: int, source: int, op: Recorder) -> ir.Value:
    """Scale or bias as one number a channel, which broadcasts to `sizes`."""
    channels, behind = sizes[1], [1] * (len(sizes) - 2)
    known = stored_array(part)
    if known is not None:
        return op.constant(np.repeat(known, channels // len(known)).reshape(channels, *behind), known.dtype)
    if source < 21:  # one a group
        apart = op("Unsqueeze", part, op.constant([1]))
        part = op("Expand", apart, op.constant([groups, channels // groups]))
    return op("Reshape", part, op.constant([channels, *behind]))
