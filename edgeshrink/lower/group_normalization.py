"""GroupNormalization(x) -> reshape to (N, groups, rest), normalise over rest, reshape back, * scale + bias.

Below opset 18. Scale and bias hold one number a channel (opset 21) or one a group (opset 18): both are
written out a channel. The definition in the ONNX standard, with variance = mean((x - mean)^2).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx_ir as ir

from edgeshrink.lower.rule import NodeRule, Recorder, constant_of

__all__ = ["LowerGroupNormalization"]


class LowerGroupNormalization(NodeRule):
    """Fires on sizes known but for the batch, constant scale and bias, and types of 32 bits and more."""

    op_types = frozenset({"GroupNormalization"})
    native_from = 18

    def rewrite(self, node: ir.Node, op: Recorder) -> Sequence[ir.Value] | None:
        """Three-dimensional in between, whatever the input's rank."""
        x, scale, bias = node.inputs[0], constant_of(node.inputs[1]), constant_of(node.inputs[2])
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
        channels = (sizes[1], *[1] * (len(sizes) - 2))
        factor, offset = (
            op.constant(np.repeat(part, sizes[1] // len(part)).reshape(channels), x.dtype)
            for part in (scale, bias)
        )
        return [op("Add", op("Mul", normal, factor), offset)]
