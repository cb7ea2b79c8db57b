"""Swish(x) -> x * Sigmoid(alpha * x) below opset 24: its definition in the ONNX standard.

SiLU is Swish with alpha = 1.
"""

from __future__ import annotations

from collections.abc import Sequence

import onnx_ir as ir

from edgeshrink.lower.rule import NodeRule, Recorder

__all__ = ["LowerSwish"]


class LowerSwish(NodeRule):
    """Fires on alpha = 1, and on every other where the element type is known."""

    op_types = frozenset({"Swish"})
    native_from = 24

    def rewrite(self, node: ir.Node, op: Recorder) -> Sequence[ir.Value] | None:
        """One product more where alpha is not 1."""
        x, alpha = node.inputs[0], node.attributes.get_float("alpha", 1.0)
        if x is None or (alpha != 1 and x.dtype is None):
            return None
        scaled = x if alpha == 1 or x.dtype is None else op("Mul", x, op.constant(alpha, x.dtype))
        return [op("Mul", x, op("Sigmoid", scaled))]
