"""Linear layers: Gemm, and MatMul by a constant matrix."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import onnx_ir as ir

from edgeshrink.graph.constants import Constants, array_of
from edgeshrink.graph.demand import Demand, Mask
from edgeshrink.graph.operators.base import register, sizes, source_of
from edgeshrink.graph.operators.contraction import Axes, Contraction
from edgeshrink.graph.spaces import Spaces

__all__ = ["AffineLayer", "Projection"]


@register("Gemm")
class AffineLayer(Contraction):
    """Gemm: alpha * x @ w + b, with the weight constant; a scaled bias (beta) is left alone."""

    def _axes(self, node: ir.Node) -> Axes | None:
        """Rows of the weight are its outputs: axis 0 if it is stored transposed."""
        if node.attributes.get_int("transA", 0) or node.attributes.get_float("beta", 1.0) != 1.0:
            return None
        rows = 0 if node.attributes.get_int("transB", 0) else 1
        return Axes(source=1, output=1, rows=rows, columns=1 - rows)

    def matrix(self, node: ir.Node, axes: Axes) -> npt.NDArray[Any]:
        """The weight times alpha, (rows, columns, 1)."""
        alpha = node.attributes.get_float("alpha", 1.0)
        matrix = super().matrix(node, axes)
        return matrix if alpha == 1.0 else matrix * alpha


@register("MatMul")
class Projection(Contraction):
    """MatMul by a constant matrix on the right: the last axis is summed over, the others are carried on."""

    def _axes(self, node: ir.Node) -> Axes | None:
        """The weight is (in, out)."""
        matrix, rank = array_of(node.inputs[1]), len(sizes(source_of(node)))
        if matrix is None or matrix.ndim != 2 or rank < 2:
            return None
        return Axes(source=rank - 1, output=rank - 1, rows=1, columns=0)

    def _carry_other_axes(self, node: ir.Node, spaces: Spaces, axes: Axes) -> None:
        source = source_of(node)
        for axis in spaces.axes_of(source):
            units = spaces.get(source, axis)
            if units is not None and axis != axes.source:
                spaces.put(node.outputs[0], axis, units)

    def constants(self, node: ir.Node, constants: Constants) -> None:
        """A constant row, and, of the axes carried on, what is zero: its sums are zero too."""
        super().constants(node, constants)
        source, output = source_of(node), node.outputs[0]
        axes = self.axes(node)
        if axes is None:
            return
        for axis in constants.spaces.axes_of(output):
            if axis != axes.source:
                constants.put(output, axis, np.where(constants.of(source, axis) == 0, 0.0, np.nan))

    def _demand_of_other_axis(self, node: ir.Node, axis: int, demand: Demand) -> Mask:
        return demand.of(node.outputs[0], axis)
