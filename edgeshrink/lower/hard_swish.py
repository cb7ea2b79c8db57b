"""HardSwish(x) -> x * HardSigmoid(x){alpha=1/6, beta=1/2} below opset 14: its definition in the standard."""

from __future__ import annotations

from collections.abc import Sequence

import onnx_ir as ir

from edgeshrink.lower.rule import NodeRule, Recorder

__all__ = ["LowerHardSwish"]


class LowerHardSwish(NodeRule):
    """Fires on every HardSwish."""

    op_types = frozenset({"HardSwish"})
    native_from = 14

    def rewrite(self, node: ir.Node, op: Recorder) -> Sequence[ir.Value]:
        """One product."""
        x = node.inputs[0]
        return [op("Mul", x, op("HardSigmoid", x, alpha=1 / 6, beta=0.5))]
