"""Mod(x, y) of integers -> x - x / y * y, plus y where its sign is another than y's, for parsers without it.

Integer Div rounds to zero, so the difference is C's remainder, as fmod=1 wants it; fmod=0 wants Python's.
Floats: x - Sign(x) * Floor(Abs(x) / y) * y where y is a constant of powers of two not below 1, as then every
step is exact. Else a rounded quotient may be one too many, an error of a whole y: such a Mod stays.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx_ir as ir

from edgeshrink.graph.stored import stored_array
from edgeshrink.lower.rule import NodeRule, Recorder

__all__ = ["SIGNED", "LowerMod", "remainder"]

SIGNED = (ir.DataType.INT32, ir.DataType.INT64)


class LowerMod(NodeRule):
    """Fires on int32 and int64, and on floats by constant powers of two."""

    op_types = frozenset({"Mod"})
    native_from = 0

    def rewrite(self, node: ir.Node, op: Recorder) -> Sequence[ir.Value] | None:
        """Either."""
        x, y = node.inputs
        if x is None or y is None or x.dtype is None:
            return None
        fmod = node.attributes.get_int("fmod", 0) == 1
        if x.dtype in SIGNED:
            return [remainder(x, y, op, fmod)]
        return [_of_floats(x, y, op)] if fmod and _are_powers_of_two(y) else None


def remainder(x: ir.Value, y: ir.Value, op: Recorder, fmod: bool = False) -> ir.Value:
    """The remainder of integers, recorded by `op`: with C's sign where `fmod`, else with that of y."""
    rest = op("Sub", x, op("Mul", op("Div", x, y), y))
    if fmod:
        return rest
    zero = op.constant(0, x.dtype or ir.DataType.INT64)
    low, high = op("Less", rest, zero), op("Greater", rest, zero)
    divisors = stored_array(y)
    if divisors is not None and (divisors > 0).all():
        wrong = low
    else:
        wrong = op("Or", op("And", low, op("Greater", y, zero)), op("And", high, op("Less", y, zero)))
    return op("Where", wrong, op("Add", rest, y), rest)


def _are_powers_of_two(y: ir.Value) -> bool:
    divisors = stored_array(y)
    if divisors is None or divisors.dtype not in (np.float32, np.float64):
        return False
    whole = np.isfinite(divisors) & (divisors >= 1) & (np.frexp(divisors)[0] == 0.5)
    return bool(whole.all())


def _of_floats(x: ir.Value, y: ir.Value, op: Recorder) -> ir.Value:
    whole = op("Mul", op("Floor", op("Div", op("Abs", x), y)), y)
    return op("Sub", x, op("Mul", op("Sign", x), whole))
