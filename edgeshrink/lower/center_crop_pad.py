"""CenterCropPad(x, shape) -> Slice and Pad of known bounds, below opset 18 and for parsers without it.

What is cut or added is halved, and an odd one goes behind: the definition of the ONNX standard.
"""

from __future__ import annotations

from collections.abc import Sequence

import onnx_ir as ir

from edgeshrink.graph.stored import stored_array
from edgeshrink.lower.rule import NodeRule, Recorder

__all__ = ["LowerCenterCropPad"]


class LowerCenterCropPad(NodeRule):
    """Fires on constant sizes of static axes."""

    op_types = frozenset({"CenterCropPad"})
    native_from = 18

    def rewrite(self, node: ir.Node, op: Recorder) -> Sequence[ir.Value] | None:
        """At most one node of each."""
        x, wanted = node.inputs[0], stored_array(node.inputs[1])
        if x is None or x.shape is None or wanted is None:
            return None
        rank = x.shape.rank()
        axes = [axis % rank for axis in node.attributes.get_ints("axes", range(rank))]
        sizes = [x.shape[axis] for axis in axes]
        if not all(isinstance(size, int) for size in sizes):
            return None
        cut, pads = [], [0] * (2 * rank)
        for axis, old, new in zip(axes, (int(size) for size in sizes), wanted.tolist(), strict=True):  # type: ignore[arg-type]
            if old > new:
                first = (old - new) // 2
                cut.append((first, first + new, axis))
            pads[axis] = max(0, new - old) // 2
            pads[axis + rank] = max(0, new - old) - pads[axis]
        value = x
        if cut:
            value = op("Slice", value, *(op.constant(list(bounds)) for bounds in zip(*cut, strict=True)))
        if any(pads):
            value = op("Pad", value, op.constant(pads))
        return [value if value is not x else op("Identity", x)]
