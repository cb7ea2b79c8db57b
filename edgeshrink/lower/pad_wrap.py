"""Pad(x){mode=wrap} -> Concat(the end of x, x, its beginning) axis by axis, below opset 19 and for TensorRT.

torch's exporter writes the mode into opset 18 already, which does not have it.
"""

from __future__ import annotations

from collections.abc import Sequence

import onnx_ir as ir

from edgeshrink.graph.stored import stored_array
from edgeshrink.lower.rule import NodeRule, Recorder

__all__ = ["LowerPadWrap"]


class LowerPadWrap(NodeRule):
    """Fires on constant pads from 0 to the size of their axis."""

    op_types = frozenset({"Pad"})
    native_from = 19

    def rewrite(self, node: ir.Node, op: Recorder) -> Sequence[ir.Value] | None:
        """Slices, not indices: parsers run them as copies."""
        x, pads = node.inputs[0], stored_array(node.inputs[1])
        if node.attributes.get_string("mode", "constant") != "wrap" or x is None or x.shape is None:
            return None
        axes = range(x.shape.rank())
        if len(node.inputs) > 3 and node.inputs[3] is not None:
            given = stored_array(node.inputs[3])
            if given is None:
                return None
            axes = [int(axis) % x.shape.rank() for axis in given]  # type: ignore[assignment]
        if pads is None:
            return None
        count = len(axes)
        ends = [(axis, int(pads[i]), int(pads[i + count])) for i, axis in enumerate(axes)]
        for axis, before, after in ends:
            size = x.shape[axis]
            if min(before, after) < 0 or (max(before, after) and not isinstance(size, int)):
                return None
            if isinstance(size, int) and max(before, after) > size:
                return None
        value = x
        for axis, before, after in ends:
            value = _wrapped(value, x.shape[axis], axis, before, after, op)
        return [value if value is not x else op("Identity", x)]

    def _is_foreign(self, node: ir.Node) -> bool:
        return self.opset < self.native_from or self.target.parser is not None


def _wrapped(value: ir.Value, size: object, axis: int, before: int, after: int, op: Recorder) -> ir.Value:
    """`value` with `before` of its last and `after` of its first entries along `axis` around it."""
    if not isinstance(size, int) or not before + after:
        return value
    axes = op.constant([axis])
    parts = [value]
    if before:
        parts.insert(0, op("Slice", value, op.constant([size - before]), op.constant([size]), axes))
    if after:
        parts.append(op("Slice", value, op.constant([0]), op.constant([after]), axes))
    return op("Concat", *parts, axis=axis)
