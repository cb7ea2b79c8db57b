"""Xor(a, b) -> And(Or(a, b), Not(And(a, b))) for parsers without it."""

from __future__ import annotations

from collections.abc import Sequence

import onnx_ir as ir

from edgeshrink.lower.rule import NodeRule, Recorder

__all__ = ["LowerXor"]


class LowerXor(NodeRule):
    """Fires on every Xor."""

    op_types = frozenset({"Xor"})
    native_from = 0

    def rewrite(self, node: ir.Node, op: Recorder) -> Sequence[ir.Value]:
        """Each step broadcasts as Xor does."""
        return [op("And", op("Or", *node.inputs), op("Not", op("And", *node.inputs)))]
