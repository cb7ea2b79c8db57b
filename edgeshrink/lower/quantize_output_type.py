"""QuantizeLinear(x, scale){output_dtype=INT8} -> QuantizeLinear(x, scale, 0 of INT8) below opset 21.

The zero point's type is the output's; without one it is UINT8. TensorRT's parser wants one in any case.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx_ir as ir

from edgeshrink.lower.rule import NodeRule, Recorder

__all__ = ["LowerQuantizeOutputType"]

KINDS = (ir.DataType.INT8, ir.DataType.UINT8)


class LowerQuantizeOutputType(NodeRule):
    """Fires on INT8 and UINT8, a scale of static shape, and no zero point."""

    op_types = frozenset({"QuantizeLinear"})
    native_from = 21

    def rewrite(self, node: ir.Node, op: Recorder) -> Sequence[ir.Value] | None:
        """As many zeros as scales."""
        x, scale, zero = (*node.inputs, None)[:3]
        kind = node.attributes.get_int("output_dtype", 0)
        if not kind or ir.DataType(kind) not in KINDS or zero is not None or scale is None:
            return None
        if scale.shape is None or not scale.shape.is_static():
            return None
        kept = {
            name: attribute.value for name, attribute in node.attributes.items() if name != "output_dtype"
        }
        zeros = op.constant(np.zeros(scale.shape.numpy()), ir.DataType(kind))
        return [op.op("QuantizeLinear", [x, scale, zeros], kept)]
