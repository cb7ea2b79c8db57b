"""Operators that compute each element from those at the same place: activations and broadcast arithmetic.

All operands that are not broadcast along an axis share its units. A product with a constant zero is zero
whatever the other operand is, and so demands nothing of it (activations are taken to be finite).
"""

from __future__ import annotations

from collections.abc import Container, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx_ir as ir

from edgeshrink.graph.constants import Constants, Numbers, array_of, varying
from edgeshrink.graph.demand import Demand, Mask
from edgeshrink.graph.evaluate import evaluate
from edgeshrink.graph.operators.base import EVERYTHING, Operator, describe, register, sizes
from edgeshrink.graph.spaces import Spaces

__all__ = ["Elementwise", "Product", "Step", "aligned_axis", "full_operands"]


def aligned_axis(value: ir.Value, output: ir.Value, axis: int) -> int | None:
    """The axis of an operand that broadcasting lines up with an axis of the output, None if it has none."""
    own = axis - (len(sizes(output)) - len(sizes(value)))
    return own if own >= 0 else None


def full_operands(node: ir.Node, axis: int) -> Iterator[tuple[ir.Value, int]]:
    """The operands that are not broadcast along an output axis, each with its own axis number."""
    output = node.outputs[0]
    for value in node.inputs:
        own = None if value is None else aligned_axis(value, output, axis)
        if value is not None and own is not None and sizes(value)[own] == sizes(output)[axis]:
            yield value, own


@register(
    *("Abs", "Acos", "Asin", "Atan", "Cast", "Celu", "Clip", "Cos", "Cosh", "Elu", "Erf", "Exp", "Gelu"),
    *("HardSigmoid", "HardSwish", "Identity", "LeakyRelu", "Log", "Mish", "Neg", "Reciprocal", "Relu"),
    *("Selu", "Sigmoid", "Sin", "Sinh", "Softplus", "Softsign", "Sqrt", "Swish", "Tan", "Tanh"),
    *("Add", "Sub", "Div", "Pow", "Max", "Min", "Sum", "Mean", "PRelu"),
)
class Elementwise(Operator):
    """out[.., i, ..] = f(a[.., i, ..], b[.., i, ..], ...) with broadcasting."""

    def followed(self, node: ir.Node) -> Container[int]:
        """All operands."""
        return range(len(node.inputs))

    def couple(self, node: ir.Node, spaces: Spaces) -> None:
        """Tie the units of all operands that are not broadcast along an axis."""
        for axis in range(len(sizes(node.outputs[0]))):
            _couple_axis(node, spaces, axis)

    def constants(self, node: ir.Node, constants: Constants) -> None:
        """Compute the function on the constants of the operands."""
        output = node.outputs[0]
        for axis in constants.spaces.axes_of(output):
            constants.put(output, axis, self._along(node, constants, axis))

    def _along(self, node: ir.Node, constants: Constants, axis: int) -> Numbers:
        """The output's numbers along one axis, shape (size of the axis,)."""
        output = node.outputs[0]
        count = sizes(output)[axis]
        assert isinstance(count, int)
        operands = [operand_numbers(value, output, axis, constants) for value in node.inputs]
        finite = [np.isfinite(np.broadcast_to(n, count)) for n in operands if n is not None]
        known = np.logical_and.reduce(finite)
        result = varying(count)
        if known.any():
            feeds = [_feed(v, n, known) for v, n in zip(node.inputs, operands, strict=True)]
            result[known] = _computed(node, feeds)
        return result

    def demand(self, node: ir.Node, demand: Demand) -> None:
        """Demand of each operand what is demanded of the output."""
        output = node.outputs[0]
        for axis in range(len(sizes(output))):
            for value, own in full_operands(node, axis):
                demand.add(value, own, demand.of(output, axis) & self._matters(node, demand, value, axis))
        for operand in node.inputs:
            if operand is not None:
                _demand_broadcast(operand, output, demand)

    def _matters(self, node: ir.Node, demand: Demand, operand: ir.Value, axis: int) -> Mask:
        """Where the output depends on this operand at all. Here: everywhere."""
        return EVERYTHING


@register(
    *("Ceil", "Floor", "Mod", "Round", "Shrink", "Sign", "ThresholdedRelu"),
    *(
        "And",
        "Equal",
        "Greater",
        "GreaterOrEqual",
        "IsInf",
        "IsNaN",
        "Less",
        "LessOrEqual",
        "Not",
        "Or",
        "Xor",
    ),
)
class Step(Elementwise):
    """A function with jumps, a comparison for one: its constants are not known.

    What is exactly 1 by our arithmetic may be one rounding below it at run time, and Floor makes 0 of that.
    """

    def constants(self, node: ir.Node, constants: Constants) -> None:
        """None."""


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

    def _matters(self, node: ir.Node, demand: Demand, operand: ir.Value, axis: int) -> Mask:
        matters = EVERYTHING
        for value in node.inputs:
            numbers = operand_numbers(value, node.outputs[0], axis, demand.constants)
            if value is not operand and numbers is not None:
                matters = matters & (numbers != 0)
        return matters


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
    if own is not None and sizes(value)[own] == sizes(output)[axis]:
        return constants.of(value, own)
    return np.array([constants.scalar(value)])


def _feed(value: ir.Value | None, numbers: Numbers | None, known: Mask) -> npt.NDArray[Any] | None:
    """An operand for the reference implementation: scalars as they are (Clip insists on rank 0)."""
    if value is None or numbers is None:
        return None
    array = array_of(value)
    if array is not None and array.size == 1:
        return array.reshape(())
    dtype = value.dtype.numpy() if value.dtype is not None else np.dtype(np.float32)
    return np.broadcast_to(numbers, known.shape)[known].astype(dtype)


def _computed(node: ir.Node, feeds: list[npt.NDArray[Any] | None]) -> npt.NDArray[Any] | float:
    """The node on its constants; nan, which stands for not known, where the reference cannot compute it."""
    try:
        return evaluate(node, feeds)
    except Exception:  # an op that the reference lacks, or has for other types only, may raise anything
        return float("nan")


def _couple_axis(node: ir.Node, spaces: Spaces, axis: int) -> None:
    output = node.outputs[0]
    size = sizes(output)[axis]
    full = list(full_operands(node, axis))
    _pin_broadcast(node, spaces, axis, full)
    if isinstance(size, int) and size != 1 and _has_open_length(node, axis):
        for value, own in full:
            spaces.pin_axis(value, own, f"combined by {describe(node)} with a length only known at run time")
        return
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
        own = None if value is None else aligned_axis(value, node.outputs[0], axis)
        if value is None or own is None or (value, own) in full:
            continue
        units = spaces.get(value, own)
        if units is not None:
            spaces.pin(units, f"broadcast by {describe(node)}")


def _has_open_length(node: ir.Node, axis: int) -> bool:
    """Whether an operand may be broadcast along an output axis or not, which its shape does not say."""
    for value in node.inputs:
        own = None if value is None else aligned_axis(value, node.outputs[0], axis)
        if value is not None and own is not None and not isinstance(sizes(value)[own], int):
            return True
    return False


def _demand_broadcast(value: ir.Value, output: ir.Value, demand: Demand) -> None:
    for axis, size in enumerate(sizes(output)):
        own = aligned_axis(value, output, axis)
        if own is not None and sizes(value)[own] != size:
            demand.add(value, own, EVERYTHING)
