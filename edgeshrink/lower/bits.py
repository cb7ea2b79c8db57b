"""BitwiseNot(x) -> -1 - x, and BitwiseAnd(x, 2^k - 1) -> x mod 2^k, below opset 18 and for TensorRT.

Both hold for integers in two's complement; the remainder is the one that is never below zero.
"""

from __future__ import annotations

from collections.abc import Sequence

import onnx_ir as ir

from edgeshrink.lower.mod import SIGNED, remainder
from edgeshrink.lower.rule import NodeRule, Recorder, constant_of

__all__ = ["LowerBitwiseAnd", "LowerBitwiseNot"]


class LowerBitwiseNot(NodeRule):
    """Fires on int32 and int64."""

    op_types = frozenset({"BitwiseNot"})
    native_from = 18

    def rewrite(self, node: ir.Node, op: Recorder) -> Sequence[ir.Value] | None:
        """One difference, which cannot overflow."""
        x = node.inputs[0]
        if x is None or x.dtype not in SIGNED:
            return None
        return [op("Sub", op.constant(-1, x.dtype), x)]


class LowerBitwiseAnd(NodeRule):
    """Fires on int32 and int64 and a constant of one number 2^k - 1, on either side."""

    op_types = frozenset({"BitwiseAnd"})
    native_from = 18

    def rewrite(self, node: ir.Node, op: Recorder) -> Sequence[ir.Value] | None:
        """One remainder."""
        for x, other in (node.inputs, reversed(node.inputs)):
            mask = constant_of(other)
            if x is None or x.dtype not in SIGNED or mask is None or mask.size != 1:
                continue
            low = int(mask.item())
            if 0 <= low < 2**30 and low & (low + 1) == 0:
                divisor = op.constant((mask + 1).astype(mask.dtype), x.dtype)
                return [remainder(x, divisor, op)]
        return None
