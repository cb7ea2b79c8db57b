"""HannWindow(n), HammingWindow(n), BlackmanWindow(n) of a constant -> the array itself.

Below opset 17, and for parsers without them. The formulas of the ONNX standard, in double precision.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx_ir as ir

from edgeshrink.graph.stored import stored_array
from edgeshrink.lower.rule import NodeRule, Recorder

__all__ = ["LowerWindow"]

# The weights of 1, cos(2 pi i / n) and cos(4 pi i / n).
FORMULAS = {
    "BlackmanWindow": (0.42, -0.5, 0.08),
    "HammingWindow": (25 / 46, -21 / 46, 0.0),
    "HannWindow": (0.5, -0.5, 0.0),
}
LIMIT = 2**24  # elements
FLOATS = (ir.DataType.FLOAT, ir.DataType.DOUBLE, ir.DataType.FLOAT16)


class LowerWindow(NodeRule):
    """Fires on a constant size and an output of floats."""

    op_types = frozenset(FORMULAS)
    native_from = 17

    def rewrite(self, node: ir.Node, op: Recorder) -> Sequence[ir.Value] | None:
        """A periodic window is the first n of the n + 1 of a symmetric one."""
        size = stored_array(node.inputs[0])
        dtype = ir.DataType(node.attributes.get_int("output_datatype", int(ir.DataType.FLOAT)))
        if size is None or not 0 < size.item() <= LIMIT or dtype not in FLOATS:
            return None
        count, periodic = int(size.item()), node.attributes.get_int("periodic", 1) == 1
        window = _window(FORMULAS[node.op_type], count, count if periodic else max(1, count - 1))
        return [op("Identity", op.constant(window, dtype))]


def _window(weights: Sequence[float], count: int, period: int) -> np.ndarray[Any, np.dtype[np.float64]]:
    angles = 2 * np.pi * np.arange(count) / period
    flat, once, twice = weights
    return flat + once * np.cos(angles) + twice * np.cos(2 * angles)
