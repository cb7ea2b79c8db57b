"""IsInf(x) -> Abs(x) = infinity for parsers without it, and below opset 20 for types of 16 bits.

detect_negative and detect_positive leave one sign, or none.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import inf

import onnx_ir as ir

from edgeshrink.lower.rule import NodeRule, Recorder

__all__ = ["LowerIsInf"]


class LowerIsInf(NodeRule):
    """Fires where the element type is known."""

    op_types = frozenset({"IsInf"})
    native_from = 20

    def rewrite(self, node: ir.Node, op: Recorder) -> Sequence[ir.Value] | None:
        """One comparison."""
        x = node.inputs[0]
        if x is None or x.dtype is None:
            return None
        if not self.target.lacks("IsInf") and x.dtype.itemsize >= 4:
            return None  # older versions take it as it is
        below = node.attributes.get_int("detect_negative", 1)
        above = node.attributes.get_int("detect_positive", 1)
        if below and above:
            return [op("Equal", op("Abs", x), op.constant(inf, x.dtype))]
        if below or above:
            return [op("Equal", x, op.constant(-inf if below else inf, x.dtype))]
        return [op("Less", x, op.constant(-inf, x.dtype))]  # nothing is: false everywhere
