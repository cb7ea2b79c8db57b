"""LSTM, GRU and RNN: a hidden unit is its rows in all gates, its column in the recurrent weight, a state.

All of it leaves together. With two directions, unit i of one and unit i of the other share the hidden axis
and so are one here; `bake/split_directions.py` gives each direction an axis of its own first.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import onnx_ir as ir

from edgeshrink.graph.constants import Constants, Numbers, array_of, varying
from edgeshrink.graph.demand import Demand, Mask
from edgeshrink.graph.edit import add_constant, is_shared, replace_weight, set_input
from edgeshrink.graph.operators.base import EVERYTHING, Operator, describe, register, sizes, source_of
from edgeshrink.graph.spaces import Axis, Spaces, Units

__all__ = ["GATES", "INITIAL_STATES", "Cell", "Recurrent", "cell_of"]

GATES = {"LSTM": 4, "GRU": 3, "RNN": 1}
"""How many gates a unit has rows for, one gate after another."""

_CANDIDATE = {"LSTM": 3, "GRU": 2, "RNN": 0}
"""Which gate computes what enters the state."""

_FUNCTIONS = {"LSTM": ("Sigmoid", "Tanh", "Tanh"), "GRU": ("Sigmoid", "Tanh"), "RNN": ("Tanh",)}
"""The activations of one direction where the node names none."""

_ENTERING = {"LSTM": (1, 2), "GRU": (1,), "RNN": (0,)}
"""Those of them that the candidate and the state go through, and that must map 0 to 0 for it to stay 0."""

_OF_ZERO: dict[str, Callable[[Numbers], Numbers]] = {
    "tanh": np.tanh,
    "relu": lambda numbers: np.maximum(numbers, 0.0),
}
"""The activations we know to map 0 to 0."""

INITIAL_STATES = (5, 6)
"""The inputs that hold the states to begin with: the hidden one, and of an LSTM the cell's."""

_WEIGHTS = (1, 2, 3, 7)  # input weight, recurrent weight, bias, peepholes


class Cell(NamedTuple):
    """The constants of a recurrent node, in their own dtype.

    Attributes:
        w: (directions, gates * hidden, inputs).
        r: (directions, gates * hidden, hidden).
        b: (directions, 2 * gates * hidden), the input's half before the recurrent one; None if omitted.
    """

    w: npt.NDArray[Any]
    r: npt.NDArray[Any]
    b: npt.NDArray[Any] | None

    @property
    def hidden(self) -> int:
        """How many hidden units each direction has."""
        return int(self.r.shape[2])


def cell_of(node: ir.Node) -> Cell | None:
    """The constants of an LSTM, GRU or RNN; None where they are computed, not finite, or ill-shaped."""
    given: list[npt.NDArray[Any] | None] = []
    for index in _WEIGHTS:
        value = node.inputs[index] if index < len(node.inputs) else None
        array = array_of(value)
        if value is not None and (array is None or not np.isfinite(array).all()):
            return None
        given.append(array)
    w, r, b, peepholes = given
    if w is None or r is None or w.ndim != 3 or r.ndim != 3:
        return None
    directions, rows, hidden = r.shape
    fits = rows == GATES[node.op_type] * hidden and w.shape[:2] == r.shape[:2]
    fits &= b is None or b.shape == (directions, 2 * rows)
    fits &= peepholes is None or peepholes.shape == (directions, 3 * hidden)
    fits &= sizes(source_of(node))[-1] == w.shape[2] or not isinstance(sizes(source_of(node))[-1], int)
    fits &= all(sizes(value)[-1] == hidden for value in _outputs(node))
    return Cell(w, r, b) if fits else None


@register("LSTM", "GRU", "RNN")
class Recurrent(Operator):
    """Y[t, d, :, j], the hidden state of unit j: its gates sum over the inputs and over all units."""

    several_outputs = True

    def followed(self, node: ir.Node) -> Container[int]:
        """All but the lengths of the sequences."""
        return (0, *_WEIGHTS, *INITIAL_STATES)

    def couple(self, node: ir.Node, spaces: Spaces) -> None:
        """One space through gates, states and outputs; inputs are read, and the units read each other."""
        cell = cell_of(node)
        if cell is None or not _outputs(node):
            super().couple(node, spaces)
            return
        units = spaces.fresh(cell.hidden)
        for value, axis in _hidden_axes(node):
            count = sizes(value)[axis]
            assert isinstance(count, int)
            spaces.put(value, axis, np.tile(units, count // cell.hidden))
        for output in _outputs(node):
            spaces.put(output, len(sizes(output)) - 1, units)
        for value in _initial(node):
            _couple_state(node, value, units, spaces)
        self._read(node, spaces)
        spaces.read(node, *_state(node))

    def _read(self, node: ir.Node, spaces: Spaces) -> None:
        source, weight = source_of(node), node.inputs[1]
        assert weight is not None
        axis = len(sizes(source)) - 1
        columns = spaces.get(source, axis)
        if columns is None:
            spaces.pin_axis(weight, 2, f"{describe(node)} reads a value that cannot shrink")
        else:
            spaces.put(weight, 2, columns)
            spaces.read(node, source, axis)
        states = [(value, len(sizes(value)) - 1) for value in _initial(node)]
        own = {(source, axis), (weight, 2), *_hidden_axes(node), *states}
        for value in {value: None for value, _ in own}:
            for other in spaces.axes_of(value):
                if (value, other) not in own:
                    spaces.pin_axis(value, other, f"a position in {describe(node)}")

    def constants(self, node: ir.Node, constants: Constants) -> None:
        """A unit is constant if its state stays zero, or, in an RNN, if it reads nothing at all."""
        cell = cell_of(node)
        if cell is None or not _outputs(node):
            return
        numbers = np.where(_stays_zero(node, cell, constants), 0.0, varying(cell.hidden))
        if node.op_type == "RNN":
            numbers = np.where(np.isnan(numbers), _bias_alone(node, cell), numbers)
        for output in _outputs(node):
            constants.put(output, len(sizes(output)) - 1, numbers)

    def demand(self, node: ir.Node, demand: Demand) -> None:
        """Demand what the units read that an output shows, directly or through other units."""
        cell = cell_of(node)
        if cell is None or not _outputs(node):
            super().demand(node, demand)
            return
        shown = [demand.of(output, len(sizes(output)) - 1) for output in _outputs(node)]
        wanted = _reached(np.asarray(np.logical_or.reduce(shown)), _per_unit(cell.r, cell.hidden))
        demand.add_read(node, *_state(node), wanted)
        source = source_of(node)
        used = np.asarray(_per_unit(cell.w, cell.hidden)[wanted].any(axis=0))
        for axis in demand.spaces.axes_of(source):
            if axis == len(sizes(source)) - 1:
                demand.add_read(node, source, axis, used)
            else:
                demand.add(source, axis, EVERYTHING)
        for value in _initial(node):
            for axis in demand.spaces.axes_of(value):
                demand.add(value, axis, wanted if axis == len(sizes(value)) - 1 else EVERYTHING)

    def absorb(
        self, node: ir.Node, axis: Axis, numbers: Numbers, removed: Mask, carrier: int | None, spaces: Spaces
    ) -> None:
        """Fold what removed constant inputs contribute into the input's half of the bias.

        What the units read of each other needs nothing: those that leave are zero, or not read.
        """
        cell = cell_of(node)
        assert cell is not None
        gone = removed & np.isfinite(numbers) & (numbers != 0)
        if axis[0] is not source_of(node) or not gone.any():
            return
        delta = cell.w[:, :, gone].astype(np.float64) @ numbers[gone]
        total = (
            np.zeros((delta.shape[0], 2 * delta.shape[1])) if cell.b is None else cell.b.astype(np.float64)
        )
        total[:, : delta.shape[1]] += delta
        bias = _own_bias(node, total.astype(cell.w.dtype))
        weight = node.inputs[1]
        assert weight is not None
        rows = spaces.get(weight, 1)
        assert rows is not None
        spaces.put(bias, 1, np.tile(rows, 2))

    def resize(self, node: ir.Node) -> None:
        """Write the new number of units."""
        cell = cell_of(node)
        if cell is not None and "hidden_size" in node.attributes:
            node.attributes["hidden_size"] = ir.AttrInt64("hidden_size", cell.hidden)


def _outputs(node: ir.Node) -> list[ir.Value]:
    """The outputs that are there: Y, Y_h and, of an LSTM, Y_c; the units are on the last axis of each."""
    return [value for value in node.outputs if value.shape is not None and (value.name != "" or value.uses())]


def _state(node: ir.Node) -> Axis:
    """The axis that stands for what the units read of each other."""
    output = _outputs(node)[0]
    return output, len(sizes(output)) - 1


def _initial(node: ir.Node) -> list[ir.Value]:
    """The states to begin with, where they are given; the units are on the last axis."""
    given = [node.inputs[index] for index in INITIAL_STATES if index < len(node.inputs)]
    return [value for value in given if value is not None]


def _hidden_axes(node: ir.Node) -> list[tuple[ir.Value, int]]:
    """The axes of the constants that hold each unit once, or once for every gate."""
    weights = [node.inputs[index] if index < len(node.inputs) else None for index in _WEIGHTS]
    axes = [(value, 1) for value in weights if value is not None]
    assert weights[1] is not None
    return [*axes, (weights[1], 2)]


def _couple_state(node: ir.Node, value: ir.Value, units: Units, spaces: Spaces) -> None:
    axis = len(sizes(value)) - 1
    stored = array_of(value) is not None
    if sizes(value)[axis] == units.size and (stored or spaces.get(value, axis) is not None):
        spaces.put(value, axis, units)
    else:
        spaces.pin(units, f"{describe(node)} begins with a state that cannot shrink")


def _per_unit(weight: npt.NDArray[Any], hidden: int) -> npt.NDArray[np.bool_]:
    """(directions, gates * hidden, columns) -> (hidden, columns): whether a unit reads a column."""
    directions, _, columns = weight.shape
    return np.asarray((weight != 0).reshape(directions, -1, hidden, columns).any(axis=(0, 1)))


def _reached(wanted: Mask, reads: npt.NDArray[np.bool_]) -> Mask:
    """The wanted units, and all that these read, directly or through others."""
    while (more := ~wanted & reads[wanted].any(axis=0)).any():
        wanted = np.asarray(wanted | more)
    return wanted


def _stays_zero(node: ir.Node, cell: Cell, constants: Constants) -> Mask:
    """Which units' state is zero from the first step to the last, in all directions.

    A state that begins at zero stays there if its candidate does: n = g(W x + R h + b) with a zero bias that
    reads only zeros. Whatever the other gates do, they multiply it: c' = f c + i n and h = o tanh(c) in an
    LSTM, h' = (1 - z) n + z h in a GRU.
    """
    zero = np.ones(cell.hidden, dtype=bool)
    for value in _initial(node):
        numbers = constants.of(value, len(sizes(value)) - 1)
        zero &= numbers == 0 if numbers.size == cell.hidden else False
    inputs = constants.of(source_of(node), len(sizes(source_of(node))) - 1)
    moving = inputs != 0 if inputs.size == cell.w.shape[2] else np.ones(cell.w.shape[2], dtype=bool)
    rows = slice(_CANDIDATE[node.op_type] * cell.hidden, (_CANDIDATE[node.op_type] + 1) * cell.hidden)
    result = np.ones(cell.hidden, dtype=bool)
    for direction, functions in enumerate(_functions(node, cell.r.shape[0])):
        if any(functions[index] not in _OF_ZERO for index in _ENTERING[node.op_type]):
            return np.zeros(cell.hidden, dtype=bool)
        still = zero & ~(cell.w[direction, rows][:, moving] != 0).any(axis=1)
        still &= _unbiased(node, cell, direction, rows)
        result &= _closed(still, cell.r[direction, rows] != 0)
    return result


def _unbiased(node: ir.Node, cell: Cell, direction: int, rows: slice) -> Mask | bool:
    """Which candidates have no bias; a GRU may multiply the recurrent half of it by the reset gate."""
    if cell.b is None:
        return True
    of_input, recurrent = np.split(cell.b[direction], 2)
    if node.attributes.get_int("linear_before_reset", 0):
        return np.asarray((of_input[rows] == 0) & (recurrent[rows] == 0))
    return np.asarray(of_input[rows] + recurrent[rows] == 0)


def _closed(zero: Mask, reads: npt.NDArray[np.bool_]) -> Mask:
    """The units of `zero` that read no unit outside of it, directly or through others."""
    while (reading := zero & reads[:, ~zero].any(axis=1)).any():
        zero = zero & ~reading
    return zero


def _bias_alone(node: ir.Node, cell: Cell) -> Numbers:
    """f(b) for the units of an RNN that read nothing, and whose first state, which is another, nobody reads.

    Beyond the end of a sequence that is shorter than others, the output is zero.
    """
    numbers = varying(cell.hidden)
    functions = {names[0] for names in _functions(node, cell.r.shape[0])}
    lengths = len(node.inputs) > 4 and node.inputs[4] is not None
    function = _OF_ZERO.get(functions.pop()) if len(functions) == 1 else None
    if lengths or function is None or "clip" in node.attributes:
        return numbers
    reads = (cell.w != 0).any(axis=(0, 2)) | (cell.r != 0).any(axis=(0, 2)) | (cell.r != 0).any(axis=(0, 1))
    bias = np.zeros((1, 2 * cell.hidden)) if cell.b is None else cell.b.astype(np.float64)
    sums = bias[:, : cell.hidden] + bias[:, cell.hidden :]
    alone = ~reads & (sums == sums[0]).all(axis=0)
    numbers[alone] = function(sums[0][alone])
    return numbers


def _functions(node: ir.Node, directions: int) -> Iterator[list[str]]:
    """The names of the activations of each direction, in lower case."""
    usual = _FUNCTIONS[node.op_type]
    names = [name.lower() for name in node.attributes.get_strings("activations", usual * directions)]
    for direction in range(directions):
        own = names[direction * len(usual) : (direction + 1) * len(usual)]
        yield own if len(own) == len(usual) else ["unknown"] * len(usual)


def _own_bias(node: ir.Node, array: npt.NDArray[Any]) -> ir.Value:
    """Give a node this bias, in place of one that nobody else reads, or as a new one."""
    bias = node.inputs[3] if len(node.inputs) > 3 else None
    if bias is not None and not is_shared(bias):
        replace_weight(bias, array)
        return bias
    weight = node.inputs[1]
    assert weight is not None
    assert isinstance(node.graph, ir.Graph)
    bias = add_constant(node.graph, f"{weight.name}.bias", array)
    set_input(node, 3, bias)
    return bias
