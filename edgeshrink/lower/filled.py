"""ConstantOfShape(shape){value} of integers -> Expand(value, shape) where TensorRT fills floats alone."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx_ir as ir

from edgeshrink.lower.rule import NodeRule, Recorder

__all__ = ["LowerFilled"]

KINDS = (ir.DataType.INT32, ir.DataType.INT64, ir.DataType.BOOL)


class LowerFilled(NodeRule):
    """Fires on values that the parser's table does not list and that Expand takes."""

    op_types = frozenset({"ConstantOfShape"})
    native_from = 0

    def rewrite(self, node: ir.Node, op: Recorder) -> Sequence[ir.Value] | None:
        """One value, as often as the shape says."""
        tensor = node.attributes.get_tensor("value")
        if tensor is None or tensor.dtype not in KINDS:
            return None
        return [op("Expand", op.constant(np.reshape(tensor.numpy(), ()), tensor.dtype), node.inputs[0])]

    def _is_foreign(self, node: ir.Node) -> bool:
        parser = self.target.parser
        return parser is not None and "INT32" not in parser.types(node.op_type)
