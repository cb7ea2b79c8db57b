"""What all layers share that sum over an axis with constant weights: they end one space and begin another.

The weight itself carries both: its rows are the units written, its columns the units read. What a column of a
removed unit contributes is folded before the cut, by `Contraction.absorb`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx_ir as ir

from edgeshrink.graph.constants import Constants, Numbers, array_of
from edgeshrink.graph.demand import Demand
from edgeshrink.graph.edit import add_to_bias, replace_weight
from edgeshrink.graph.operators.base import Operator, describe, operator_of
from edgeshrink.graph.spaces import Spaces, Units

__all__ = [
    "Contraction",
    "contractions",
    "has_plain_bias",
    "is_contraction",
    "operands",
    "tie_bias",
    "weight_axes",
]


class Contraction(Operator):
    """out[j] = sum_k w[j, k] * in[k] + b[j], where k runs along `in_axis` and j along `out_axis`."""

    def axes(self, node: ir.Node) -> tuple[int, int, int, int] | None:
        """The axes (of the input, of the output, of the weight's rows, of its columns).

        None where the weight is not constant, or the bias is more than one constant per row.
        """
        if array_of(node.inputs[1]) is None:
            return None
        axes = self._axes(node)
        return axes if axes is None or has_plain_bias(node, axes[2]) else None

    def _axes(self, node: ir.Node) -> tuple[int, int, int, int] | None:
        raise NotImplementedError

    def padded(self, node: ir.Node) -> bool:
        """Whether zero padding enters the sum."""
        return False

    def couple(self, node: ir.Node, spaces: Spaces) -> None:
        """Tie rows and bias to the output, columns to the input; record the read."""
        axes = self.axes(node)
        if axes is None:
            super().couple(node, spaces)
            return
        in_axis, out_axis, row_axis, column_axis = axes
        source, weight = operands(node)
        assert weight.shape is not None
        rows = spaces.get(weight, row_axis)
        if rows is None:
            rows = spaces.fresh(int(weight.shape[row_axis]))  # type: ignore[arg-type]
        spaces.put(weight, row_axis, rows)
        spaces.put(node.outputs[0], out_axis, rows)
        tie_bias(node, rows, spaces)
        columns = spaces.get(source, in_axis)
        if columns is None:
            spaces.pin_axis(weight, column_axis, f"{describe(node)} reads a value that cannot shrink")
        else:
            spaces.put(weight, column_axis, columns)
            spaces.read(node, source, in_axis, padded=self.padded(node))
        self._carry_other_axes(node, spaces)

    def _carry_other_axes(self, node: ir.Node, spaces: Spaces) -> None:
        """What happens to tracked axes of the input that are not summed over. Here: they stay."""
        axes = self.axes(node)
        assert axes is not None
        source = operands(node)[0]
        for axis in spaces.axes_of(source):
            if axis != axes[0]:
                spaces.pin_axis(source, axis, f"not summed over by {describe(node)}")

    def matrix(self, node: ir.Node) -> npt.NDArray[Any]:
        """The weight as (rows, columns, rest), float64."""
        axes = self.axes(node)
        assert axes is not None
        weight = array_of(operands(node)[1])
        assert weight is not None
        return np.moveaxis(weight, (axes[2], axes[3]), (0, 1)).reshape(
            weight.shape[axes[2]], weight.shape[axes[3]], -1
        )

    def bias(self, node: ir.Node) -> Numbers:
        """The bias per row, or a single zero if there is none."""
        bias = array_of(node.inputs[2]) if len(node.inputs) > 2 else None
        return np.zeros(1) if bias is None else bias.reshape(-1).astype(np.float64)

    def constants(self, node: ir.Node, constants: Constants) -> None:
        """A row is constant if every column it uses is constant, and zero where padding would show."""
        axes = self.axes(node)
        if axes is None:
            return
        inputs = constants.of(operands(node)[0], axes[0])
        matrix = self.matrix(node)
        used = (matrix != 0).any(axis=2)
        usable = np.isfinite(inputs) & ((inputs == 0) | (not self.padded(node)))
        constant = ~(used & ~usable[None, :]).any(axis=1)
        sums = matrix[constant].sum(axis=2, dtype=np.float64) @ np.where(usable, inputs, 0.0)
        numbers = np.full(matrix.shape[0], np.nan)
        numbers[constant] = sums + np.broadcast_to(self.bias(node), constant.shape)[constant]
        constants.put(node.outputs[0], axes[1], numbers)

    def demand(self, node: ir.Node, demand: Demand) -> None:
        """Demand the columns that a demanded row reads with a non-zero weight."""
        axes = self.axes(node)
        if axes is None:
            super().demand(node, demand)
            return
        source = operands(node)[0]
        rows = demand.of(node.outputs[0], axes[1])
        if demand.spaces.get(source, axes[0]) is not None:
            columns = (self.matrix(node)[rows] != 0).any(axis=(0, 2))
            demand.add_read(node, source, axes[0], columns)
        for axis in demand.spaces.axes_of(source):
            if axis != axes[0]:
                demand.add(source, axis, np.ones(1, dtype=bool))

    def absorb(
        self, node: ir.Node, numbers: Numbers, removed: npt.NDArray[np.bool_], carrier: int | None
    ) -> None:
        """Fold what removed constant inputs contribute into the bias, or into one carrier's column.

        Args:
            node: The contraction.
            numbers: The constants along the input axis, shape (columns,), nan where varying.
            removed: Which columns are about to be cut.
            carrier: A column that stays and holds a non-zero constant: with zero padding the border lacks the
                constant, so w[:, carrier] += w[:, k] * c_k / c_carrier keeps borders exact. None: the bias
                takes b += sum_k w[:, k] * c_k, which is exact without padding.
        """
        axes = self.axes(node)
        assert axes is not None
        gone = removed & np.isfinite(numbers) & (numbers != 0)
        if not gone.any():
            return
        matrix = self.matrix(node)
        if carrier is None:
            add_to_bias(node, matrix[:, gone].sum(axis=2, dtype=np.float64) @ numbers[gone])
            return
        extra = np.tensordot(
            matrix[:, gone].astype(np.float64), numbers[gone] / numbers[carrier], axes=(1, 0)
        )
        weight = operands(node)[1]
        moved = np.moveaxis(array_of(weight).copy(), (axes[2], axes[3]), (0, 1))  # type: ignore[union-attr]
        moved[:, carrier] += extra.reshape(moved[:, carrier].shape).astype(moved.dtype)
        replace_weight(weight, np.moveaxis(moved, (0, 1), (axes[2], axes[3])))


def operands(node: ir.Node) -> tuple[ir.Value, ir.Value]:
    """The activation and the weight of a layer."""
    source, weight = node.inputs[0], node.inputs[1]
    assert source is not None
    assert weight is not None
    return source, weight


def tie_bias(node: ir.Node, rows: Units, spaces: Spaces) -> None:
    """Tie a bias, if there is one, to the rows it is added to."""
    bias = node.inputs[2] if len(node.inputs) > 2 else None
    if bias is not None and bias.shape is not None and len(bias.shape) > 0 and bias.shape[-1] == rows.size:
        spaces.put(bias, len(bias.shape) - 1, rows)


def has_plain_bias(node: ir.Node, row_axis: int) -> bool:
    """Whether the bias is absent, or a constant of one number per row (or one for all)."""
    if len(node.inputs) < 3 or node.inputs[2] is None:
        return True
    bias, weight = array_of(node.inputs[2]), array_of(node.inputs[1])
    if bias is None or weight is None:
        return False
    rows = weight.shape[row_axis]
    return bias.size in (1, rows) and (bias.ndim == 0 or bias.shape[-1] == bias.size)


def is_contraction(node: ir.Node) -> bool:
    """Whether a node is a layer with constant weights that the analysis can shrink on both sides."""
    operator = operator_of(node)
    return isinstance(operator, Contraction) and operator.axes(node) is not None


def weight_axes(node: ir.Node) -> tuple[int, int]:
    """The axes of a contraction's weight that hold the units it writes and the units it reads."""
    operator = operator_of(node)
    assert isinstance(operator, Contraction)
    axes = operator.axes(node)
    assert axes is not None
    return axes[2], axes[3]


def contractions(graph: ir.Graph) -> Iterator[ir.Node]:
    """The layers with constant weights, in order."""
    return (node for node in graph if is_contraction(node))
