"""Trilu(x, k) -> Where(mask, x, 0), below opset 14 and for parsers without it or without x's rank.

Booleans: And(mask, x). Not a product with the mask, as what lies outside may be infinite. The mask keeps
column - row >= k (upper) or <= k (lower). It is a constant where the last two sizes and k are known, else
computed from Shape and Range.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx_ir as ir

from edgeshrink.graph.stored import stored_array
from edgeshrink.lower.rule import NodeRule, Recorder

__all__ = ["LowerTrilu"]


class LowerTrilu(NodeRule):
    """Fires where the element type is known."""

    op_types = frozenset({"Trilu"})
    native_from = 14

    def rewrite(self, node: ir.Node, op: Recorder) -> Sequence[ir.Value] | None:
        """The mask, and what it keeps."""
        x = node.inputs[0]
        if x is None or x.dtype is None:
            return None
        shift = node.inputs[1] if len(node.inputs) > 1 else None
        upper = node.attributes.get_int("upper", 1) == 1
        mask = _constant_mask(x, shift, upper, op) or _computed_mask(x, shift, upper, op)
        if x.dtype == ir.DataType.BOOL:
            return [op("And", x, mask)]
        return [op("Where", mask, x, op.constant(0, x.dtype))]

    def _is_foreign(self, node: ir.Node) -> bool:
        parser, x = self.target.parser, node.inputs[0]
        ranks = parser.operators["Trilu"].ranks if parser and parser.supports("Trilu") else ()
        fits = not ranks or (x is not None and x.shape is not None and x.shape.rank() in ranks)
        return super()._is_foreign(node) or not fits


def _constant_mask(x: ir.Value, shift: ir.Value | None, upper: bool, op: Recorder) -> ir.Value | None:
    sizes = [] if x.shape is None else [size for size in x.shape[-2:] if isinstance(size, int)]
    k = np.zeros(1, np.int64) if shift is None else stored_array(shift)
    if len(sizes) != 2 or k is None:
        return None
    kept = np.tri(sizes[0], sizes[1], int(k.item()) - upper, dtype=np.bool_)
    return op.constant(~kept if upper else kept, np.bool_)


def _computed_mask(x: ir.Value, shift: ir.Value | None, upper: bool, op: Recorder) -> ir.Value:
    shape = op("Shape", x)
    zero, one = op.constant(0), op.constant(1)
    rows, columns = (
        op("Range", zero, op("Gather", shape, op.constant(axis), axis=0), one) for axis in (-2, -1)
    )
    apart = op("Sub", columns, op("Unsqueeze", rows, op.constant([1])))
    beyond = op("Less", apart, shift or zero) if upper else op("Greater", apart, shift or zero)
    return op("Not", beyond)
