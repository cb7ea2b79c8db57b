"""BitwiseNot(x) -> -1 - x; And, Or, Xor with a constant by remainders; below opset 18 and for TensorRT.

All hold for integers in two's complement. With the remainder that is never below zero, x & (2^k - 1) = x
mod 2^k, and the bits from k to n are (x mod 2^n) - (x mod 2^k). x | m = x + (m - (x & m)), x ^ m = x + (m -
2 (x & m)): neither of the terms in brackets, nor the sum, leaves the range of x's type.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import onnx_ir as ir

from edgeshrink.graph.stored import stored_array
from edgeshrink.lower.mod import SIGNED, remainder
from edgeshrink.lower.rule import NodeRule, Recorder

__all__ = ["LowerBitwise", "LowerBitwiseNot"]


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


class LowerBitwise(NodeRule):
    """Fires on int32 and int64 and a constant of one number from 0 to 2^30, on either side."""

    op_types = frozenset({"BitwiseAnd", "BitwiseOr", "BitwiseXor"})
    native_from = 18

    def rewrite(self, node: ir.Node, op: Recorder) -> Sequence[ir.Value] | None:
        """A remainder or two for each run of ones."""
        for x, other in (node.inputs, reversed(node.inputs)):
            mask = stored_array(other)
            if x is None or x.dtype not in SIGNED or mask is None or mask.size != 1:
                continue
            if not 0 <= mask.item() < 2**30:
                continue
            kept = _kept(x, int(mask.item()), mask.shape, op)
            if node.op_type == "BitwiseAnd":
                return [kept]
            twice = op("Add", kept, kept) if node.op_type == "BitwiseXor" else kept
            return [op("Add", x, op("Sub", op.constant(mask, x.dtype), twice))]
        return None


def _kept(x: ir.Value, mask: int, shape: tuple[int, ...], op: Recorder) -> ir.Value:
    """The bits of `x` that `mask` has, with the rank of both."""
    dtype = x.dtype or ir.DataType.INT64
    total: ir.Value | None = None
    for low, high in _runs(mask):
        part = remainder(x, op.constant(np.full(shape, 2**high), dtype), op)
        if low:
            part = op("Sub", part, remainder(x, op.constant(np.full(shape, 2**low), dtype), op))
        total = part if total is None else op("Add", total, part)
    return op("Mul", x, op.constant(np.zeros(shape), dtype)) if total is None else total


def _runs(mask: int) -> Iterator[tuple[int, int]]:
    """Where ones begin and end in `mask`, from the lowest bit."""
    bit = 0
    while mask >> bit:
        while not mask >> bit & 1:
            bit += 1
        low = bit
        while mask >> bit & 1:
            bit += 1
        yield low, bit
