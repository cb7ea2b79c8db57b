"""AffineGrid(theta, size) -> MatMul(places, theta^T) below opset 20 and for parsers without it.

A place is (x, y, 1), or (x, y, z, 1), from -1 to 1: pixels' centres where align_corners, else their edges.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx_ir as ir

from edgeshrink.graph.stored import stored_array
from edgeshrink.lower.rule import NodeRule, Recorder

__all__ = ["LowerAffineGrid"]


class LowerAffineGrid(NodeRule):
    """Fires on float and double, and a constant size."""

    op_types = frozenset({"AffineGrid"})
    native_from = 20

    def rewrite(self, node: ir.Node, op: Recorder) -> Sequence[ir.Value] | None:
        """Coordinates go from the last axis to the first, as theta's columns do."""
        theta, size = node.inputs[0], stored_array(node.inputs[1])
        if theta is None or theta.dtype not in (ir.DataType.FLOAT, ir.DataType.DOUBLE) or size is None:
            return None
        corners = node.attributes.get_int("align_corners", 0) == 1
        shape = [int(length) for length in size[2:]]
        if corners and 1 in shape:
            return None  # the two corners of an axis of one are one, and the standard divides by zero
        lines = [_places(length, corners) for length in shape]
        grid = np.meshgrid(*lines, indexing="ij")[::-1]
        places = np.stack([*grid, np.ones(shape)], axis=-1).reshape(-1, len(shape) + 1)
        turned = op("Transpose", theta, perm=[0, 2, 1])
        found = op("MatMul", op.constant(places, theta.dtype), turned)
        return [op("Reshape", found, op.constant([int(size[0]), *shape, len(shape)]))]


def _places(length: int, corners: bool) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    if not corners:
        return (2 * np.arange(length) + 1) / length - 1
    return np.linspace(-1, 1, length)
