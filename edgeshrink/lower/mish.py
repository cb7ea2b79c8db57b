"""Mish(x) -> x * Tanh(Softplus(x)) below opset 18: its definition in the ONNX standard."""

from __future__ import annotations

from collections.abc import Sequence

import onnx_ir as ir

from edgeshrink.lower.rule import NodeRule, Recorder

__all__ = ["LowerMish"]


class LowerMish(NodeRule):
    """Fires on every Mish."""

    op_types = frozenset({"Mish"})
    native_from = 18

    def rewrite(self, node: ir.Node, op: Recorder) -> Sequence[ir.Value]:
        """One product."""
        return [op("Mul", node.inputs[0], op("Tanh", op("Softplus", node.inputs[0])))]
