"""Operators that compute every element from the elements at the same place: activations and broadcast arithmetic.

All operands that are not broadcast along an axis share its units. A product with a constant zero is zero
whatever the other operand is, and so demands nothing of it (activations are taken to be finite).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx_ir as ir

from edgeshrink.graph.constants import Constants, Numbers, array_of, varying
from edgeshrink.graph.demand import Demand
from edgeshrink.graph.evaluate import evaluate
from edgeshrink.graph.operators.base import Operator, describe, register
from edgeshrink.graph.spaces import Spaces

__all__ = ["Elementwise", "Product", "aligned_axis", "full_operands"]


def aligned_axis(value: ir.Value, output: ir.Value, axis: int) -> int | None:
    """The axis of an operand that broadcasting lines up with an axis of the output, None if it has none."""
    assert value.shape is not None
    assert output.shape is not None
    own = axis - (len(output.shape) - len(value.shape))
    return own if own >= 0 else None


def full_operands(node: ir.Node, axis: int) -> Iterator[tuple[ir.Value, int]]:
    """The operands that are not broadcast along an output axis, each with its own axis number."""
    output = node.outputs[0]
    assert output.shape is not None
    for value in node.inputs:
        if value is None or value.shape is None:
            continue
        own = aligned_axis(value, output, axis)
        if own is not None and value.shape[own] == output.shape[axis]:
            yield value, own


@register(
    *(
        "Abs",
        "Acos",
        "Asin",
        "Atan",
        "Cast",
        "Ceil",
        "Celu",
        "Clip",
        "Cos",
        "Elu",
        "Erf",
        "Exp",
        "Floor",
        "Gelu",
    ),
    *(
        "HardSigmoid",
        "HardSwish",
        "Identity",
        "LeakyRelu",
        "Log",
        "Mish",
        "Neg",
        "Reciprocal",
        "Relu",
        "Round",
    ),
    *("Selu", "Sigmoid", "Sign", "Sin", "Softplus", "Softsign", "Sqrt", "Tanh", "ThresholdedRelu"),
    *("Add", "Sub", "Div", "Pow", "Max", "Min", "Sum", "Mean", "PRelu"),
)
class Elementwise(Operator):
    """out[.., i, ..] = f(a[.., i, ..], b[.., i, ..], ...) with broadcasting."""

    def couple(self, node: ir.Node, spaces: Spaces) -> None:
        """Tie the units of all operands that are not broadcast along an axis."""
        output = node.outputs[0]
        assert output.shape is not None
        for axis in range(len(output.shape)):
            _couple_axis(node, spaces, axis)

    def constants(self, node: ir.Node, constants: Constants) -> None:
        """Compute the function on the constants of the operands."""
        output = node.outputs[0]
        for axis in constants.spaces.axes_of(output):
            constants.put(output, axis, self._along(node, constants, axis))

    def _along(self, node: ir.Node, constants: Constants, axis: int) -> Numbers:
        operands = [operand_numbers(value, node.outputs[0], axis, constants) for value in node.inputs]
        count = node.outputs[0].shape[axis]  # type: ignore[index]
        assert isinstance(count, int)
        known = np.logical_and.reduce(
            [np.isfinite(np.broadcast_to(n, count)) for n in operands if n is not None]
        )
        result = varying(count)
        if known.any():
            result[known] = evaluate(
                node, [_feed(v, n, known) for v, n in zip(node.inputs, operands, strict=True)]
            )
        return result

    def demand(self, node: ir.Node, demand: Demand) -> None:
        """Demand of each operand what is demanded of the output."""
        output = node.outputs[0]
        assert output.shape is not None
        for axis in range(len(output.shape)):
            full = list(full_operands(node, axis))
            for value, own in full:
                demand.add(value, own, demand.of(output, axis) & self._matters(node, demand, value, axis))
        for value in node.inputs:
            if value is not None and value.shape != output.shape:
                _demand_broadcast(value, output, demand)

    def _matters(self, node: ir.Node, demand: Demand, operand: ir.Value, axis: int) -> npt.NDArray[np.bool_]:
        """Where the output depends on this operand at all. Here: everywhere."""
        return np.ones(1, dtype=bool)


@register("Mul")
class Product(Elementwise):
    """out = a * b: zero wherever one factor is a constant zero."""

    def _along(self, node: ir.Node, constants: Constants, axis: int) -> Numbers:
        result = super()._along(node, constants, axis)
        for value in node.inputs:
            numbers = operand_numbers(value, node.outputs[0], axis, constants)
            if numbers is not None:
                result[np.broadcast_to(numbers == 0, result.shape)] = 0.0
        return result

    def _matters(self, node: ir.Node, demand: Demand, operand: ir.Value, axis: int) -> npt.NDArray[np.bool_]:
        factors = [value for value in node.inputs if value is not operand]
        zero = [
            _is_zero(operand_numbers(value, node.outputs[0], axis, demand.constants)) for value in factors
        ]
        return np.asarray(~np.logical_or.reduce(zero)) if zero else np.ones(1, dtype=bool)


def operand_numbers(
    value: ir.Value | None, output: ir.Value, axis: int, constants: Constants
) -> Numbers | None:
    """An operand's constants along an output axis: one per index, or a single one where it is broadcast.

    Returns:
        float64 of shape (size,) or (1,); None for an omitted operand.
    """
    if value is None:
        return None
    own = aligned_axis(value, output, axis)
    assert value.shape is not None
    assert output.shape is not None
    if own is not None and value.shape[own] == output.shape[axis]:
        return constants.of(value, own)
    return np.array([constants.scalar(value)])


def _is_zero(numbers: Numbers | None) -> npt.NDArray[np.bool_]:
    return np.zeros(1, dtype=bool) if numbers is None else numbers == 0


def _feed(
    value: ir.Value | None, numbers: Numbers | None, known: npt.NDArray[np.bool_]
) -> npt.NDArray[Any] | None:
    """An operand for the reference implementation: scalars as they are (Clip insists on rank 0)."""
    if value is None or numbers is None:
        return None
    array = array_of(value)
    if array is not None and array.size == 1:
        return array.reshape(())
    dtype = value.dtype.numpy() if value.dtype is not None else np.dtype(np.float32)
    return np.broadcast_to(numbers, known.shape)[known].astype(dtype)


def _couple_axis(node: ir.Node, spaces: Spaces, axis: int) -> None:
    output = node.outputs[0]
    assert output.shape is not None
    size = output.shape[axis]
    full = list(full_operands(node, axis))
    _pin_broadcast(node, spaces, axis, full)
    computed = [(value, own) for value, own in full if array_of(value) is None]
    tracked = [units for value, own in full if (units := spaces.get(value, own)) is not None]
    if any(spaces.get(value, own) is None for value, own in computed):
        for value, own in full:
            spaces.pin_axis(value, own, f"combined by {describe(node)} with a value that cannot shrink")
        return
    if not isinstance(size, int) or not full or (size == 1 and not tracked):
        return
    units = tracked[0] if tracked else spaces.fresh(size)
    for value, own in full:
        spaces.put(value, own, units)
    spaces.put(output, axis, units)


def _pin_broadcast(node: ir.Node, spaces: Spaces, axis: int, full: list[tuple[ir.Value, int]]) -> None:
    """A tracked axis of size 1 that is broadcast stands for every index: it must stay."""
    for value in node.inputs:
        if value is None:
            continue
        own = aligned_axis(value, node.outputs[0], axis)
        if own is None or (value, own) in full:
            continue
        units = spaces.get(value, own)
        if units is not None:
            spaces.pin(units, f"broadcast by {describe(node)}")


def _demand_broadcast(value: ir.Value, output: ir.Value, demand: Demand) -> None:
    assert value.shape is not None
    assert output.shape is not None
    for axis in range(len(output.shape)):
        own = aligned_axis(value, output, axis)
        if own is not None and value.shape[own] != output.shape[axis]:
            demand.add(value, own, np.ones(1, dtype=bool))
