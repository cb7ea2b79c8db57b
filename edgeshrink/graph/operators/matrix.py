"""Linear layers: Gemm, and MatMul by a constant matrix."""

from __future__ import annotations

from typing import Any

import numpy.typing as npt
import onnx_ir as ir

from edgeshrink.graph.constants import array_of
from edgeshrink.graph.operators.base import register
from edgeshrink.graph.operators.contraction import Contraction, operands
from edgeshrink.graph.spaces import Spaces

__all__ = ["AffineLayer", "Projection"]


@register("Gemm")
class AffineLayer(Contraction):
    """Gemm: alpha * x @ w + b, with the weight constant; a scaled bias (beta) is left alone."""

    def _axes(self, node: ir.Node) -> tuple[int, int, int, int] | None:
        """Rows of the weight are its outputs: axis 0 if it is stored transposed."""
        if node.attributes.get_int("transA", 0) or node.attributes.get_float("beta", 1.0) != 1.0:
            return None
        return (1, 1, 0, 1) if node.attributes.get_int("transB", 0) else (1, 1, 1, 0)

    def matrix(self, node: ir.Node) -> npt.NDArray[Any]:
        """The weight times alpha."""
        alpha = node.attributes.get_float("alpha", 1.0)
        matrix = super().matrix(node)
        return matrix if alpha == 1.0 else matrix * alpha


@register("MatMul")
class Projection(Contraction):
    """MatMul by a constant matrix on the right: the last axis is summed over, the others are carried on."""

    def _axes(self, node: ir.Node) -> tuple[int, int, int, int] | None:
        """The weight is (in, out)."""
        source, weight = operands(node)
        assert source.shape is not None
        matrix = array_of(weight)
        if matrix is None or matrix.ndim != 2 or len(source.shape) < 2:
            return None
        last = len(source.shape) - 1
        return (last, last, 1, 0)

    def _carry_other_axes(self, node: ir.Node, spaces: Spaces) -> None:
        source = operands(node)[0]
        for axis in spaces.axes_of(source)[:]:
            units = spaces.get(source, axis)
            if units is not None and axis != len(source.shape or ()) - 1:
                spaces.put(node.outputs[0], axis, units)
