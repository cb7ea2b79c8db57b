"""CastLike(x, y) -> Cast(x){to = y's type} below opset 15."""

from __future__ import annotations

from collections.abc import Sequence

import onnx_ir as ir

from edgeshrink.lower.rule import NodeRule, Recorder

__all__ = ["LowerCastLike"]


class LowerCastLike(NodeRule):
    """Fires where the type of the second input is known."""

    op_types = frozenset({"CastLike"})
    native_from = 15

    def rewrite(self, node: ir.Node, op: Recorder) -> Sequence[ir.Value] | None:
        """One Cast."""
        like = node.inputs[1]
        if like is None or like.dtype is None:
            return None
        return [op("Cast", node.inputs[0], to=like.dtype)]
