"""Reshape(x, shape){allowzero=1} -> Reshape(x, shape) below opset 14 where no entry of shape can be zero.

A zero would make the result empty; x is not, as none of its sizes is zero. A size known by name alone is at
least one: no device runs on empty batches.
"""

from __future__ import annotations

from collections.abc import Sequence

import onnx_ir as ir

from edgeshrink.graph.stored import stored_array
from edgeshrink.lower.rule import NodeRule, Recorder

__all__ = ["LowerReshapeZeros"]


class LowerReshapeZeros(NodeRule):
    """Fires on computed shapes of tensors of known rank; constant ones need no rewriting."""

    op_types = frozenset({"Reshape"})
    native_from = 14

    def rewrite(self, node: ir.Node, op: Recorder) -> Sequence[ir.Value] | None:
        """The same without the attribute."""
        x, shape = node.inputs
        if not node.attributes.get_int("allowzero", 0) or x is None or stored_array(shape) is not None:
            return None
        if x.shape is None or any(size == 0 for size in x.shape):
            return None
        return [op("Reshape", x, shape)]
