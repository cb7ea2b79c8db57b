"""Celu(x) -> alpha * Elu(x / alpha) for parsers that get Celu wrong.

The same function: Elu(z) is z above zero and exp(z) - 1 below.
"""

from __future__ import annotations

from collections.abc import Sequence

import onnx_ir as ir

from edgeshrink.lower.rule import NodeRule, Recorder

__all__ = ["LowerCelu"]


class LowerCelu(NodeRule):
    """Fires where the element type is known."""

    op_types = frozenset({"Celu"})
    native_from = 0

    def _is_foreign(self, node: ir.Node) -> bool:
        return self.target.misreads("Celu", "celu-computed-wrongly")

    def rewrite(self, node: ir.Node, op: Recorder) -> Sequence[ir.Value] | None:
        """Elu alone where alpha is 1."""
        x, alpha = node.inputs[0], node.attributes.get_float("alpha", 1.0)
        if alpha == 1:
            return [op("Elu", x)]
        if x is None or x.dtype is None:
            return None
        factor = op.constant(alpha, x.dtype)
        return [op("Mul", factor, op("Elu", op("Div", x, factor)))]
