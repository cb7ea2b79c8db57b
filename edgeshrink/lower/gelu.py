"""Gelu(x) -> x/2 * (1 + Erf(x / sqrt 2)) below opset 20.

With approximate="tanh": x/2 * (1 + Tanh(sqrt(2/pi) (x + 0.044715 x^3))). Both are ONNX's own definitions.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import pi, sqrt

import onnx_ir as ir

from edgeshrink.lower.rule import NodeRule, Recorder

__all__ = ["LowerGelu"]


class LowerGelu(NodeRule):
    """Fires where the element type is known, as its constants must have it."""

    op_types = frozenset({"Gelu"})
    native_from = 20

    def rewrite(self, node: ir.Node, op: Recorder) -> Sequence[ir.Value] | None:
        """Either form."""
        x = node.inputs[0]
        if x is None or x.dtype is None:
            return None
        if node.attributes.get_string("approximate", "none") == "tanh":
            cube = op("Mul", op("Mul", x, x), op("Mul", x, op.constant(0.044715, x.dtype)))
            gate = op("Tanh", op("Mul", op.constant(sqrt(2 / pi), x.dtype), op("Add", x, cube)))
        else:
            gate = op("Erf", op("Mul", x, op.constant(sqrt(0.5), x.dtype)))
        half = op("Mul", x, op.constant(0.5, x.dtype))
        return [op("Mul", half, op("Add", gate, op.constant(1.0, x.dtype)))]
