"""What all layers share that sum over an axis with constant weights: they end one space and begin another.

The weight itself carries both: its rows are the units written, its columns the units read. What a column of a
removed unit contributes is folded before the cut, by `Contraction.absorb`.
"""

from __future__ import annotations

from collections.abc import Container, Iterator
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import onnx_ir as ir

from edgeshrink.graph.constants import Constants, Numbers, array_of
from edgeshrink.graph.demand import Demand, Mask
from edgeshrink.graph.edit import add_to_bias, is_shared, replace_weight
from edgeshrink.graph.operators.base import EVERYTHING, Operator, describe, operator_of, sizes, source_of
from edgeshrink.graph.spaces import Axis, Spaces, Units

__all__ = ["Axes", "Contraction", "axes_of", "has_plain_bias", "layers", "tie_bias", "weight_of"]


_BLOCK = 256
"""Rows of a weight that are taken as float64 at a time: a whole layer could double a network's memory."""


class Axes(NamedTuple):
    """Where a layer has its units: on which axis of its input, its output, and its weight (twice)."""

    source: int
    output: int
    rows: int
    columns: int


class Contraction(Operator):
    """out[j] = sum_k w[j, k] * in[k] + b[j], where k runs along `axes.source` and j along `axes.output`."""

    def axes(self, node: ir.Node) -> Axes | None:
        """Where the units are; None where the layer is not of this form, and so is left alone.

        That is: where the weight is not constant or empty, the bias is more than one constant per row, or the
        shapes on record contradict the weight.
        """
        weight = array_of(node.inputs[1])
        axes = None if weight is None or weight.size == 0 else self._axes(node)
        if weight is None or axes is None or not has_plain_bias(node, axes.rows):
            return None
        read, written = sizes(source_of(node))[axes.source], sizes(node.outputs[0])[axes.output]
        fits = read == weight.shape[axes.columns] or not isinstance(read, int)
        return axes if fits and written == weight.shape[axes.rows] else None

    def _axes(self, node: ir.Node) -> Axes | None:
        raise NotImplementedError

    def padded(self, node: ir.Node) -> bool:
        """Whether zero padding enters the sum."""
        return False

    def followed(self, node: ir.Node) -> Container[int]:
        """The activation, the weight and the bias."""
        return range(3)

    def couple(self, node: ir.Node, spaces: Spaces) -> None:
        """Tie rows and bias to the output, columns to the input; record the read."""
        axes = self.axes(node)
        if axes is None or not _is_finite(weight_of(node)):
            super().couple(node, spaces)
            return
        source, weight = source_of(node), weight_of(node)
        rows = spaces.get(weight, axes.rows)
        if rows is None:
            rows = spaces.fresh(_array(weight).shape[axes.rows])
        spaces.put(weight, axes.rows, rows)
        spaces.put(node.outputs[0], axes.output, rows)
        tie_bias(node, rows, spaces)
        columns = spaces.get(source, axes.source)
        if columns is None:
            spaces.pin_axis(weight, axes.columns, f"{describe(node)} reads a value that cannot shrink")
        else:
            spaces.put(weight, axes.columns, columns)
            spaces.read(node, source, axes.source, padded=self.padded(node))
        for axis in set(spaces.axes_of(weight)) - {axes.rows, axes.columns}:
            spaces.pin_axis(weight, axis, f"a position in the weight of {describe(node)}")
        self._carry_other_axes(node, spaces, axes)

    def _carry_other_axes(self, node: ir.Node, spaces: Spaces, axes: Axes) -> None:
        """What happens to tracked axes of the input that are not summed over. Here: they stay."""
        source = source_of(node)
        for axis in spaces.axes_of(source):
            if axis != axes.source:
                spaces.pin_axis(source, axis, f"not summed over by {describe(node)}")

    def matrix(self, node: ir.Node, axes: Axes) -> npt.NDArray[Any]:
        """The weight as (rows, columns, taps), in its own dtype."""
        weight = np.moveaxis(_array(weight_of(node)), (axes.rows, axes.columns), (0, 1))
        return weight.reshape(*weight.shape[:2], -1)

    def bias(self, node: ir.Node) -> Numbers:
        """The bias per row, or a single number for all."""
        bias = array_of(node.inputs[2]) if len(node.inputs) > 2 else None
        return np.zeros(1) if bias is None else bias.reshape(-1).astype(np.float64)

    def constants(self, node: ir.Node, constants: Constants) -> None:
        """A row is constant if every column it uses is constant, and zero where padding would show."""
        axes = self.axes(node)
        if axes is None:
            return
        inputs = constants.of(source_of(node), axes.source)
        if inputs.size == 0:  # a length only known at run time
            return
        used = constants.nonzero(weight_of(node), axes.rows, axes.columns)
        usable = np.isfinite(inputs) & ((inputs == 0) | (not self.padded(node)))
        constant = ~(used & ~usable).any(axis=1)
        summed = constant & (used & (inputs != 0)).any(axis=1)
        numbers = np.where(constant, self.bias(node), np.nan)
        numbers[summed] += _weighted_sums(self.matrix(node, axes), summed, inputs, usable & (inputs != 0))
        constants.put(node.outputs[0], axes.output, numbers)

    def demand(self, node: ir.Node, demand: Demand) -> None:
        """Demand the columns that a demanded row reads with a non-zero weight."""
        axes = self.axes(node)
        if axes is None:
            super().demand(node, demand)
            return
        source = source_of(node)
        for axis in demand.spaces.axes_of(source):
            if axis != axes.source:
                demand.add(source, axis, self._demand_of_other_axis(node, axis, demand))
                continue
            used = demand.constants.nonzero(weight_of(node), axes.rows, axes.columns)
            rows = demand.of(node.outputs[0], axes.output)
            demand.add_read(node, source, axis, np.logical_or.reduce(used[rows], axis=0))

    def _demand_of_other_axis(self, node: ir.Node, axis: int, demand: Demand) -> Mask:
        """What is demanded of an axis that is not summed over. Here: all of it."""
        return EVERYTHING

    def absorb(
        self, node: ir.Node, axis: Axis, numbers: Numbers, removed: Mask, carrier: int | None, spaces: Spaces
    ) -> None:
        """Fold what removed constant inputs contribute into the bias, or into one carrier's column.

        With zero padding the border lacks the constant, so w[:, carrier] += w[:, k] * c_k / c_carrier keeps
        borders exact. Without, b += sum_k w[:, k] * c_k is.
        """
        axes = self.axes(node)
        assert axes is not None
        gone = removed & np.isfinite(numbers) & (numbers != 0)
        if not gone.any():
            return
        matrix = self.matrix(node, axes)
        if carrier is None:
            every_row = np.ones(matrix.shape[0], dtype=bool)
            adder, bias = add_to_bias(node, _weighted_sums(matrix, every_row, numbers, gone))
            rows = spaces.get(weight_of(node), axes.rows)
            assert rows is not None
            spaces.put(bias, len(sizes(bias)) - 1, rows)
            spaces.follow(node.outputs[0], adder.outputs[0])
            return
        columns = matrix[:, gone].astype(np.float64)
        extra = np.tensordot(columns, numbers[gone] / numbers[carrier], axes=(1, 0))
        weight = weight_of(node)
        moved = np.moveaxis(_array(weight).copy(), (axes.rows, axes.columns), (0, 1))
        moved[:, carrier] += extra.reshape(moved[:, carrier].shape).astype(moved.dtype)
        replace_weight(weight, np.moveaxis(moved, (0, 1), (axes.rows, axes.columns)))

    def can_absorb_in_weight(self, node: ir.Node) -> bool:
        """Whether a carrier's column may be changed: not in a weight that somebody else sees too."""
        return not is_shared(weight_of(node))


def weight_of(node: ir.Node) -> ir.Value:
    """The weight of a layer."""
    weight = node.inputs[1]
    assert weight is not None
    return weight


def _array(value: ir.Value) -> npt.NDArray[Any]:
    array = array_of(value)
    assert array is not None
    return array


def _weighted_sums(matrix: npt.NDArray[Any], rows: Mask, numbers: Numbers, columns: Mask) -> Numbers:
    """sum_k c_k sum_t w[j, k, t] over some columns k, for some rows j; float64, a block of rows at a time."""
    chosen = np.flatnonzero(rows)
    blocks = [chosen[start : start + _BLOCK] for start in range(0, chosen.size, _BLOCK)]
    factors = numbers[columns]
    sums = [matrix[block][:, columns].sum(axis=2, dtype=np.float64) @ factors for block in blocks]
    return np.concatenate(sums) if sums else np.zeros(0)


def _is_finite(value: ir.Value) -> bool:
    """Whether a constant holds neither nan nor infinity, which no zero and no constant would silence."""
    array = _array(value)
    return array.size == 0 or bool(np.isfinite(array.min()) and np.isfinite(array.max()))


def tie_bias(node: ir.Node, rows: Units, spaces: Spaces) -> None:
    """Tie a bias, if there is one, to the rows it is added to; one number for all rows needs no tie."""
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


def axes_of(node: ir.Node) -> Axes | None:
    """Where a node has its units if it is a layer that the analysis can shrink on both sides, else None."""
    operator = operator_of(node)
    return operator.axes(node) if isinstance(operator, Contraction) else None


def layers(graph: ir.Graph) -> Iterator[tuple[ir.Node, Axes]]:
    """The layers with constant weights, in order, with where they have their units."""
    for node in graph:
        axes = axes_of(node)
        if axes is not None:
            yield node, axes
