"""Linear layers: Gemm, and MatMul by a constant matrix; and the same operators between two activations."""

from __future__ import annotations

from collections.abc import Container
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx_ir as ir

from edgeshrink.graph.constants import Constants, Numbers, array_of
from edgeshrink.graph.demand import Demand, Mask
from edgeshrink.graph.operators.base import Size, register, sizes, source_of
from edgeshrink.graph.operators.contraction import Axes, Contraction
from edgeshrink.graph.operators.products import Labelled, SummedProduct
from edgeshrink.graph.spaces import Axis, Spaces

__all__ = ["AffineLayer", "MatrixProduct", "Projection"]


class MatrixProduct(SummedProduct):
    """MatMul, or Gemm without a third input, whatever its two inputs are."""

    def labels(self, node: ir.Node) -> Labelled | None:
        """Rows of the left, columns of the right; what both share is summed; before these, a batch."""
        left, right, output = (len(sizes(value)) for value in (*node.inputs[:2], node.outputs[0]) if value)
        if node.op_type == "Gemm":
            if len(node.inputs) > 2 and node.inputs[2] is not None:
                return None
            turned = [node.attributes.get_int(name, 0) for name in ("transA", "transB")]
            plain = (("row", "sum"), ("sum", "column"))
            a, b = (pair[::-1] if turn else pair for pair, turn in zip(plain, turned, strict=True))
            return Labelled((a, b), ("row", "column"))
        if not left or not right:
            return None
        rows, columns = ("row",) * (left > 1), ("column",) * (right > 1)
        batch = [f"batch {i}" for i in range(output - len(rows) - len(columns))]
        lefts = (*_batch(node, 0, left - 2, batch), *rows, "sum")
        rights = (*_batch(node, 1, right - 2, batch), "sum", *columns)
        return Labelled((lefts, rights), (*batch, *rows, *columns))


def _batch(node: ir.Node, index: int, count: int, batch: list[str]) -> list[str | None]:
    """The labels of a factor's batch axes, lined up from the right; None where it is broadcast."""
    value = node.inputs[index]
    assert value is not None
    labels: list[str | None] = list(batch[len(batch) - count :]) if count > 0 else []
    for axis in range(len(labels)):
        out: Size = sizes(node.outputs[0])[len(batch) - count + axis]
        if sizes(value)[axis] == 1 and out != 1:
            labels[axis] = None
    return labels


class _LayerOrProduct(Contraction):
    """A contraction where the weight is a constant matrix, else a product of two factors like any other."""

    _product = MatrixProduct()

    def followed(self, node: ir.Node) -> Container[int]:
        """All that the one or the other follows."""
        return super().followed(node) if self.axes(node) else self._product.followed(node)

    def couple(self, node: ir.Node, spaces: Spaces) -> None:
        """As the one or the other."""
        super().couple(node, spaces) if self.axes(node) else self._product.couple(node, spaces)

    def constants(self, node: ir.Node, constants: Constants) -> None:
        """As the one or the other."""
        super().constants(node, constants) if self.axes(node) else self._product.constants(node, constants)

    def demand(self, node: ir.Node, demand: Demand) -> None:
        """As the one or the other."""
        super().demand(node, demand) if self.axes(node) else self._product.demand(node, demand)

    def can_absorb_in_weight(self, node: ir.Node) -> bool:
        """As the one or the other."""
        one: Contraction | SummedProduct = super() if self.axes(node) else self._product  # type: ignore[assignment]
        return one.can_absorb_in_weight(node)

    def absorb(
        self, node: ir.Node, axis: Axis, numbers: Numbers, removed: Mask, carrier: int | None, spaces: Spaces
    ) -> None:
        """As the one or the other."""
        if self.axes(node):
            super().absorb(node, axis, numbers, removed, carrier, spaces)


@register("Gemm")
class AffineLayer(_LayerOrProduct):
    """Gemm: alpha * x @ w + b, with the weight constant; a scaled bias (beta) is left alone."""

    def _axes(self, node: ir.Node) -> Axes | None:
        """Rows of the weight are its outputs: axis 0 if it is stored transposed."""
        if node.attributes.get_float("beta", 1.0) != 1.0:
            return None
        rows = 0 if node.attributes.get_int("transB", 0) else 1
        source = 0 if node.attributes.get_int("transA", 0) else 1
        return Axes(source, output=1, rows=rows, columns=1 - rows)

    def _carry_other_axes(self, node: ir.Node, spaces: Spaces, axes: Axes) -> None:
        units = spaces.get(source_of(node), 1 - axes.source)
        if units is not None:
            spaces.put(node.outputs[0], 0, units)

    def _demand_of_other_axis(self, node: ir.Node, axis: int, demand: Demand) -> Mask:
        return demand.of(node.outputs[0], 0)

    def matrix(self, node: ir.Node, axes: Axes) -> npt.NDArray[Any]:
        """The weight times alpha, (rows, columns, 1)."""
        alpha = node.attributes.get_float("alpha", 1.0)
        matrix = super().matrix(node, axes)
        return matrix if alpha == 1.0 else matrix * alpha


@register("MatMul")
class Projection(_LayerOrProduct):
    """MatMul by a constant matrix on the right: the last axis is summed over, the others are carried on."""

    def _axes(self, node: ir.Node) -> Axes | None:
        """The weight is (in, out)."""
        matrix, rank = array_of(node.inputs[1]), len(sizes(source_of(node)))
        if matrix is None or matrix.ndim != 2 or rank < 1:
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
