"""Split(x){num_outputs=n} -> Split(x, sizes) below opset 18: ceil(size / n) each, the last one what is left.

TensorRT's parser before 10 ignores num_outputs and splits into equal floors (onnx-tensorrt 8.2-GA).
"""

from __future__ import annotations

from collections.abc import Sequence

import onnx_ir as ir

from edgeshrink.lower.rule import NodeRule, Recorder

__all__ = ["LowerSplitNumOutputs"]


class LowerSplitNumOutputs(NodeRule):
    """Fires where the split dimension is static."""

    op_types = frozenset({"Split"})
    native_from = 18

    def rewrite(self, node: ir.Node, op: Recorder) -> Sequence[ir.Value] | None:
        """Sizes as a constant input."""
        x, parts = node.inputs[0], node.attributes.get_int("num_outputs")
        axis = node.attributes.get_int("axis", 0)
        size = None if x is None or x.shape is None else x.shape[axis]
        if parts is None or not isinstance(size, int):
            return None
        part = -(-size // parts)
        sizes = [*[part] * (parts - 1), size - part * (parts - 1)]
        return op.op_multi_out("Split", [x, op.constant(sizes)], {"axis": axis}, num_outputs=parts)
