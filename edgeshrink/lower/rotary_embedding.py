"""RotaryEmbedding(x, cos, sin) -> Concat(cos x1 - sin x2, sin x1 + cos x2, the unrotated), below opset 23.

x1 and x2 are the halves of what is rotated, or its even and odd entries where `interleaved`: it is defined so
in the ONNX standard.
"""

from __future__ import annotations

from collections.abc import Sequence

import onnx_ir as ir

from edgeshrink.lower.rule import NodeRule, Recorder

__all__ = ["LowerRotaryEmbedding"]

FAR = 2**31 - 1  # past the end of any axis


class LowerRotaryEmbedding(NodeRule):
    """Fires where the size of a head is known."""

    op_types = frozenset({"RotaryEmbedding"})
    native_from = 23

    def rewrite(self, node: ir.Node, op: Recorder) -> Sequence[ir.Value] | None:
        """Heads stay where they are: before the positions in four dimensions, behind them in three."""
        x, cos, sin, positions = (*node.inputs, None)[:4]
        heads = node.attributes.get_int("num_heads", 0)
        if x is None or x.shape is None or cos is None or sin is None:
            return None
        size, flat = x.shape[-1], x.shape.rank() == 3
        if not isinstance(size, int) or (flat and not heads) or x.shape.rank() not in (3, 4):
            return None
        size = size // heads if flat else size
        rotated = node.attributes.get_int("rotary_embedding_dim", 0) or size
        value = op("Reshape", x, op.constant([0, 0, heads, size])) if flat else x
        factors = [_factor(cache, positions, rotated // 2, 2 if flat else 1, op) for cache in (cos, sin)]
        interleaved = node.attributes.get_int("interleaved", 0) == 1
        y = _rotated(value, factors, rotated, interleaved, op)
        if rotated < size:
            y = op("Concat", y, _part(value, rotated, FAR, 1, op), axis=-1)
        return [op("Reshape", y, op.constant([0, 0, heads * size])) if flat else y]


def _factor(cache: ir.Value, positions: ir.Value | None, count: int, axis: int, op: Recorder) -> ir.Value:
    """The first `count` cosines or sines of each position, the same for every head."""
    found = cache if positions is None else op("Gather", cache, positions, axis=0)
    return op("Unsqueeze", _part(found, 0, count, 1, op), op.constant([axis]))


def _part(value: ir.Value, start: int, end: int, step: int, op: Recorder) -> ir.Value:
    bounds = (op.constant([number]) for number in (start, end, -1, step))
    return op("Slice", value, *bounds)


def _rotated(
    value: ir.Value, factors: Sequence[ir.Value], count: int, interleaved: bool, op: Recorder
) -> ir.Value:
    """The first `count` features, each pair turned by its angle."""
    cos, sin = factors
    cuts = ((0, count, 2), (1, count, 2)) if interleaved else ((0, count // 2, 1), (count // 2, count, 1))
    first, second = (_part(value, *cut, op) for cut in cuts)
    real = op("Sub", op("Mul", cos, first), op("Mul", sin, second))
    imaginary = op("Add", op("Mul", sin, first), op("Mul", cos, second))
    if not interleaved:
        return op("Concat", real, imaginary, axis=-1)
    last = op.constant([-1])
    pairs = op("Concat", op("Unsqueeze", real, last), op("Unsqueeze", imaginary, last), axis=-1)
    return op("Reshape", pairs, op.constant([0, 0, 0, count]))
