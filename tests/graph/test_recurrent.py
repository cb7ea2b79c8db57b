"""What the analysis says of LSTM, GRU and RNN: which units stay zero, which are needed, which are tied."""

from __future__ import annotations

import numpy as np
import pytest

from tests.bake.support import rng
from tests.graph.support import Seen, seen

GATES = {"LSTM": 4, "GRU": 3, "RNN": 1}
CANDIDATE = {"LSTM": 3, "GRU": 2, "RNN": 0}
HIDDEN, INPUTS = 4, 3


def cell(
    op: str, *, directions: int = 1, hidden: int = HIDDEN, inputs: int = INPUTS
) -> dict[str, np.ndarray]:
    """Random weights w, r, b, all of their elements not zero."""
    draw, rows = rng(1), GATES[op] * hidden
    shapes = {"w": (rows, inputs), "r": (rows, hidden), "b": (2 * rows,)}
    return {
        name: draw.uniform(0.5, 1.0, (directions, *shape)).astype(np.float32)
        for name, shape in shapes.items()
    }


def silence(
    arrays: dict[str, np.ndarray], op: str, *units: int, gates: tuple[int, ...] | None = None
) -> None:
    """Zero the rows of units in w, r and b, of all gates or some."""
    size = GATES[op] * HIDDEN
    for gate in range(GATES[op]) if gates is None else gates:
        for unit in units:
            row = gate * HIDDEN + unit
            arrays["w"][:, row] = arrays["r"][:, row] = 0
            arrays["b"][:, [row, size + row]] = 0


def look(op: str, arrays: dict[str, np.ndarray], *, attributes: str = "", more: str = "") -> Seen:
    """A layer over a projection of the inputs, and a layer that reads its last axis."""
    extra = {"q": np.eye(INPUTS, dtype=np.float32), "u": np.ones((HIDDEN, 2), np.float32)}
    text = (
        "(float[T, N, 3] x) => (z) { p = MatMul(x, q) "
        f"y, h = {op}<hidden_size = 4{attributes}>(p, w, r, b{more}) z = MatMul(y, u) }}"
    )
    return seen(text, {**extra, **arrays})


NAN = float("nan")


@pytest.mark.parametrize("op", GATES)
def test_a_unit_whose_candidate_is_zero_stays_zero(op: str):
    arrays = cell(op)
    silence(arrays, op, 1, 2, gates=(CANDIDATE[op],))
    told = look(op, arrays)
    for name, axis in (("y", 3), ("h", 2)):
        np.testing.assert_array_equal(told.constants(name, axis), [NAN, 0, 0, NAN])


@pytest.mark.parametrize("op", GATES)
def test_one_weight_of_the_candidate_makes_it_vary(op: str):
    for name, index in (("w", np.s_[0, -1, 0]), ("r", np.s_[0, -1, 0]), ("b", np.s_[0, -1])):
        arrays = cell(op)
        silence(arrays, op, 3)
        arrays[name][index] = 1
        assert np.isnan(look(op, arrays).constants("y", 3)[3])


def test_biases_of_a_gru_that_cancel_do_so_only_outside_of_the_reset_gate():
    arrays = cell("GRU")
    silence(arrays, "GRU", 0)
    arrays["b"][0, 8], arrays["b"][0, 20] = 1, -1
    assert look("GRU", arrays).constants("y", 3)[0] == 0
    assert np.isnan(look("GRU", arrays, attributes=", linear_before_reset = 1").constants("y", 3)[0])


@pytest.mark.parametrize("op", GATES)
def test_zero_units_may_read_each_other_but_no_other(op: str):
    arrays = cell(op)
    silence(arrays, op, 1, 2)
    row = CANDIDATE[op] * HIDDEN
    arrays["r"][0, row + 1, 2] = 1
    np.testing.assert_array_equal(look(op, arrays).constants("y", 3), [NAN, 0, 0, NAN])
    arrays["r"][0, row + 2, 3] = 1
    assert np.isnan(look(op, arrays).constants("y", 3)).all()


@pytest.mark.parametrize("op", ["LSTM", "GRU"])
@pytest.mark.parametrize(("functions", "stays"), [
    (("Sigmoid", "Tanh", "Tanh"), True),
    (("Sigmoid", "Relu", "Relu"), True),
    (("Sigmoid", "Sigmoid", "Tanh"), False),
    (("Sigmoid", "Softplus", "Tanh"), False),
])  # fmt: skip
def test_only_activations_that_map_zero_to_zero_count(op: str, functions: tuple[str, ...], stays: bool):
    arrays = cell(op)
    silence(arrays, op, 0)
    names = ", ".join(f'"{name}"' for name in functions[: 3 if op == "LSTM" else 2])
    told = look(op, arrays, attributes=f", activations = [{names}]")
    assert (told.constants("y", 3)[0] == 0) == stays


@pytest.mark.parametrize("begin", [0.0, 1.0])
def test_a_state_that_begins_elsewhere_does_not_stay_zero(begin: float):
    arrays = cell("LSTM")
    silence(arrays, "LSTM", 0)
    states = np.full((1, 2, 4), begin, np.float32)
    text = (
        "(float[T, 2, 3] x) => (z) { y, h = LSTM<hidden_size = 4>(x, w, r, b, , zero, c) z = MatMul(y, u) }"
    )
    told = seen(text, {**arrays, "zero": states * 0, "c": states, "u": np.ones((4, 2), np.float32)})
    assert (told.constants("y", 3)[0] == 0) == (begin == 0)


def test_both_directions_must_be_zero():
    arrays = cell("LSTM", directions=2)
    silence(arrays, "LSTM", 0, 1)
    arrays["w"][1, 13] = 1
    told = look("LSTM", arrays, attributes=', direction = "bidirectional"')
    np.testing.assert_array_equal(told.constants("y", 3), [0, NAN, NAN, NAN])


@pytest.mark.parametrize("more", ["", ", lengths"])
def test_a_unit_of_an_rnn_that_reads_nothing_is_its_bias_unless_sequences_end(more: str):
    arrays = cell("RNN")
    arrays["w"][0, 0] = arrays["r"][0, 0] = 0
    arrays["r"][0, :, 0] = 0
    arrays["lengths"] = np.array([2, 3, 1, 2], np.int32)
    text = f"(float[T, 4, 3] x) => (z) {{ y, h = RNN<hidden_size = 4>(x, w, r, b{more}) z = MatMul(y, u) }}"
    told = seen(text, {**arrays, "u": np.ones((4, 2), np.float32)}).constants("y", 3)
    known = np.tanh(arrays["b"][0, 0] + arrays["b"][0, 4])
    np.testing.assert_allclose(told, [NAN if more else known, NAN, NAN, NAN], rtol=1e-4)  # printed digits


def test_a_unit_that_such_a_one_is_read_by_varies_at_the_first_step():
    arrays = cell("RNN")
    arrays["w"][0, 0] = arrays["r"][0, 0] = 0
    assert np.isnan(look("RNN", arrays).constants("y", 3)).all()


@pytest.mark.parametrize("op", GATES)
def test_what_outputs_show_demands_what_it_reads_through_other_units(op: str):
    """Unit 0 is shown, it reads 1, that reads 2; 3 reads all but is read by none."""
    arrays = cell(op)
    last = arrays["r"][0].reshape(GATES[op], 4, 4)
    last[:, :3] = 0
    last[-1, 0, 1] = last[0, 1, 2] = 1
    arrays["w"][0].reshape(GATES[op], 4, 3)[:, :3, 2] = 0
    arrays["u"] = np.array([[1, 1], [0, 0], [0, 0], [0, 0]], np.float32)
    told = look(op, arrays)
    assert told.demand("y", 3) == [True, True, True, False]
    assert told.demand("p", 2) == [True, True, False]


@pytest.mark.parametrize("op", GATES)
def test_a_unit_is_its_rows_in_all_gates_and_its_column(op: str):
    told, gates = look(op, cell(op)), GATES[op]
    units = told.classes("y", 3)
    assert len(set(units)) == 4
    assert told.classes("h", 2) == told.classes("r", 2) == units
    assert told.classes("w", 1) == told.classes("r", 1) == units * gates
    assert told.classes("b", 1) == units * 2 * gates
    assert told.classes("w", 2) == told.classes("p", 2)
    assert told.pinned("y", 3) is None


def test_peepholes_and_states_belong_to_their_units():
    arrays = {**cell("LSTM"), "p": np.ones((1, 12), np.float32), "s": np.ones((1, 2, 4), np.float32)}
    text = (
        "(float[T, 2, 3] x) => (z) { y, h, c = LSTM<hidden_size = 4>(x, w, r, b, , s, , p) z = MatMul(y, u) }"
    )
    told = seen(text, {**arrays, "u": np.ones((4, 2), np.float32)})
    units = told.classes("y", 3)
    assert told.classes("c", 2) == told.classes("s", 2) == units
    assert told.classes("p", 1) == units * 3


def test_a_computed_state_shares_its_units_and_demands_what_the_layer_does():
    arrays = {**cell("GRU"), "e": np.ones((3, 4), np.float32), "u": np.ones((4, 2), np.float32)}
    arrays["u"][3] = 0
    arrays["r"][0, :, 3] = 0
    arrays["r"][0, 3::4] = 1
    arrays["axes"] = np.array([0])
    text = (
        "(float[T, N, 3] x, float[N, 3] i) => (z) { s = MatMul(i, e) t = Unsqueeze(s, axes) "
        "y, h = GRU<hidden_size = 4>(x, w, r, b, , t) z = MatMul(y, u) }"
    )
    told = seen(text, arrays)
    assert told.classes("s", 1) == told.classes("y", 3)
    assert told.demand("s", 1) == [True, True, True, False]


def test_a_state_from_outside_pins_the_units():
    text = (
        "(float[T, N, 3] x, float[1, N, 4] s) => (z) "
        "{ y, h = GRU<hidden_size = 4>(x, w, r, b, , s) z = MatMul(y, u) }"
    )
    told = seen(text, {**cell("GRU"), "u": np.ones((4, 2), np.float32)})
    assert told.pinned("y", 3) == "GRU begins with a state that cannot shrink"


def test_an_output_that_is_the_graphs_pins_the_units():
    text = "(float[T, N, 3] x) => (h) { y, h = GRU<hidden_size = 4>(x, w, r, b) }"
    assert seen(text, cell("GRU")).pinned("h", 2) == "graph output 'h'"


@pytest.mark.parametrize("name", ["w", "r", "b"])
def test_weights_that_are_computed_or_not_finite_pin_all(name: str):
    arrays = cell("LSTM")
    arrays[name].flat[0] = np.inf
    assert look("LSTM", arrays).pinned("y", 3) == "not tracked"
    weights = {"w": "w", "r": "r", "b": "b", name: "n"}
    text = (
        f"(float[T, N, 3] x) => (z) {{ n = Neg({name}) "
        f"y, h = LSTM<hidden_size = 4>(x, {', '.join(weights.values())}) z = Relu(y) }}"
    )
    assert seen(text, cell("LSTM")).pinned("y", 3) == "not tracked"
