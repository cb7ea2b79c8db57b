"""ReduceSum(Cast(b, INT64)) -> Cast(ReduceSum(Cast(b, FLOAT)), INT64) for parsers that sum no integers.

Of zeros and ones, sums up to 2^24 are exact in float32, and the largest and smallest always are: what torch
writes for any, all, sum and cumsum of booleans.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import onnx_ir as ir

from edgeshrink.lower.rule import NodeRule, Recorder

__all__ = ["LowerCounts"]

EXACT = 2**24
WHOLE = (ir.DataType.INT32, ir.DataType.INT64)


class LowerCounts(NodeRule):
    """Fires on integers cast from booleans; on sums of static shape alone."""

    op_types = frozenset({"CumSum", "ReduceMax", "ReduceMin", "ReduceSum"})
    native_from = 0

    def rewrite(self, node: ir.Node, op: Recorder) -> Sequence[ir.Value] | None:
        """Axes stay as they are given."""
        x = node.inputs[0]
        cast = None if x is None else x.producer()
        if x is None or x.dtype not in WHOLE or cast is None or cast.op_type != "Cast" or cast.domain:
            return None
        flags = cast.inputs[0]
        if flags is None or flags.dtype != ir.DataType.BOOL:
            return None
        if node.op_type in ("CumSum", "ReduceSum") and not _is_small(flags):
            return None
        kept = {name: attribute.value for name, attribute in node.attributes.items()}
        numbers = op("Cast", flags, to=ir.DataType.FLOAT)
        return [op("Cast", op.op(node.op_type, [numbers, *node.inputs[1:]], kept), to=x.dtype)]

    def _is_foreign(self, node: ir.Node) -> bool:
        parser = self.target.parser
        types = () if parser is None else parser.types(node.op_type)
        return "FLOAT" in types and "INT32" not in types


def _is_small(value: ir.Value) -> bool:
    shape = value.shape
    return shape is not None and shape.is_static() and prod(int(size) for size in shape.numpy()) <= EXACT
