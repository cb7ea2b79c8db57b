"""Random LSTM, GRU and RNN layers with masked units: stacked, in both directions, read in every way."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from onnx import helper

if TYPE_CHECKING:
    from tests.bake.random_graphs import Builder

__all__ = ["recurrent"]

GATES = {"LSTM": 4, "GRU": 3, "RNN": 1}
CANDIDATE = {"LSTM": 3, "GRU": 2, "RNN": 0}
FUNCTIONS = ("Tanh", "Relu", "Sigmoid")
MOST_INPUTS = 12


def recurrent(b: Builder) -> None:
    """One layer or two over the rows of an image, or over one step, and what reads them."""
    sequence = _sequence(b)
    if sequence is None:
        return
    x, steps, inputs = sequence
    for _ in range(b.integer(1, 2)):
        op, hidden, both = str(b.pick("LSTM", "GRU", "RNN")), b.integer(1, 4), b.integer(1, 2)
        y, states = _layer(b, op, x, (steps, inputs, hidden, both))
        x, inputs = _merged(b, y, (steps, hidden, both)), hidden * both
    if b.chance(60):
        _read_sequence(b, x, steps, inputs)
    if b.chance(60):
        _read_state(b, states, hidden, both)


def _hidden_add(b: Builder, op: str, inputs: list[str], **attributes: object) -> str:
    """A node whose output no other step may take: its batch is not axis 0."""
    name = b.add(op, inputs, (), **attributes)
    del b.shapes[name]
    return name


def _sequence(b: Builder) -> tuple[str, int, int] | None:
    """[steps, batch, channels] of some value, with its steps and channels."""
    source = b.one_of(b.pick(3, 3, 1))
    if source is None or b.shapes[source][0] > MOST_INPUTS:
        return None
    if len(b.shapes[source]) == 1:
        axes = b.weight(np.array([0]), np.int64)
        return _hidden_add(b, "Unsqueeze", [source, axes]), 1, b.shapes[source][0]
    channels, rows, _ = b.shapes[source]
    mean = _hidden_add(b, "ReduceMean", [source, b.weight(np.array([3]), np.int64)], keepdims=0)
    return _hidden_add(b, "Transpose", [mean], perm=[2, 0, 1]), rows, channels


def _layer(b: Builder, op: str, x: str, sizes: tuple[int, int, int, int]) -> tuple[str, str]:
    """A layer on x; returns the names of Y and Y_h."""
    steps, inputs, hidden, both = sizes
    lengths = ""
    if b.batch != "N" and b.chance(20):
        lengths = b.weight(b.random.integers(1, steps + 1, int(b.batch)), np.int32)
    weights = _weights(b, op, inputs, hidden, both)
    operands = [x, *weights[:3], lengths, *_states(b, op, hidden, both), weights[3]]
    operands = operands[: {"LSTM": 8, "GRU": 6, "RNN": 6}[op]]
    attributes: dict[str, object] = {
        "hidden_size": hidden,
        "direction": "bidirectional" if both == 2 else str(b.pick("forward", "reverse")),
    }
    if op == "GRU":
        attributes["linear_before_reset"] = b.integer(0, 1)
    if b.chance(20):
        count = {"LSTM": 2, "GRU": 1, "RNN": 0}[op]
        names = [["Sigmoid"] if op != "RNN" else [], *([[str(b.pick(*FUNCTIONS))]] * (count or 1))]
        attributes["activations"] = [name for part in names for name in part] * both
    y, states = f"y{len(b.nodes)}", f"h{len(b.nodes)}"
    b.nodes.append(helper.make_node(op, operands, [y, states], name=f"{op}_{y}", **attributes))
    return y, states


def _weights(b: Builder, op: str, inputs: int, hidden: int, both: int) -> list[str]:
    """W, R, B and P: of some units all rows are zero, of some the candidate's; columns and biases may be."""
    gates = GATES[op]
    w = b.random.standard_normal((both, gates, hidden, inputs)) / np.sqrt(inputs)
    r = b.random.standard_normal((both, gates, hidden, hidden)) / np.sqrt(hidden)
    bias = b.random.standard_normal((both, 2, gates, hidden)) * 0.5
    r[b.random.random(r.shape) < b.pick(0.0, 0.6)] = 0
    w[..., b.random.random(inputs) < b.pick(0.0, 0.4)] = 0
    share = b.pick(0.5, 0.3, 0.0, 1.0)
    for direction in range(both):
        for unit in np.flatnonzero(b.random.random(hidden) < share):
            rows = slice(None) if b.chance(60) else slice(CANDIDATE[op], CANDIDATE[op] + 1)
            w[direction, rows, unit] = r[direction, rows, unit] = 0
            if b.chance(70):
                bias[direction, :, rows, unit] = 0
            if b.chance(50):
                r[direction, :, :, unit] = 0
    names = [b.weight(w.reshape(both, -1, inputs)), b.weight(r.reshape(both, -1, hidden))]
    names.append(b.weight(bias.reshape(both, -1)) if b.chance(80) else "")
    peepholes = op == "LSTM" and b.chance(15)
    return [*names, b.weight(b.random.standard_normal((both, 3 * hidden))) if peepholes else ""]


def _states(b: Builder, op: str, hidden: int, both: int) -> list[str]:
    """States to begin with: none, stored ones, or of one direction, computed ones."""
    states = []
    for _ in range(2 if op == "LSTM" else 1):
        kind, name = b.pick("none", "none", "stored", "computed"), ""
        source = b.one_of(1)
        if kind == "stored" and b.batch != "N":
            array = b.random.standard_normal((both, int(b.batch), hidden))
            array[..., b.random.random(hidden) < b.pick(0.5, 1.0)] = 0
            name = b.weight(array)
        elif kind == "computed" and source is not None and both == 1:
            weight = b.weight(b.masked(hidden, b.shapes[source][0]).T)
            flat = b.add("MatMul", [source, weight], (hidden,))
            name = _hidden_add(b, "Unsqueeze", [flat, b.weight(np.array([0]), np.int64)])
        states.append(name)
    return states if op == "LSTM" else [*states, ""]


def _merged(b: Builder, y: str, sizes: tuple[int, int, int]) -> str:
    """[steps, directions, batch, hidden] -> [steps, batch, directions * hidden], as exporters write it."""
    _, hidden, both = sizes
    if both == 1 and b.chance(50):
        return _hidden_add(b, "Squeeze", [y, b.weight(np.array([1]), np.int64)])
    moved = _hidden_add(b, "Transpose", [y], perm=[0, 2, 1, 3])
    shape = b.weight(np.array([0, 0, b.pick(-1, both * hidden)]), np.int64)
    return _hidden_add(b, "Reshape", [moved, shape])


def _read_sequence(b: Builder, x: str, steps: int, width: int) -> None:
    how = b.pick("last", "mean", "all")
    if how == "last":
        b.add("Gather", [x, b.weight(np.array(b.pick(-1, 0)), np.int64)], (width,), axis=0)
    elif how == "mean":
        b.add("ReduceMean", [x, b.weight(np.array([0]), np.int64)], (width,), keepdims=0)
    else:
        name = _hidden_add(b, "Transpose", [x], perm=[1, 2, 0])
        b.add("Unsqueeze", [name, b.weight(np.array([3]), np.int64)], (width, steps, 1))


def _read_state(b: Builder, states: str, hidden: int, both: int) -> None:
    if b.chance(50):
        b.add("Gather", [states, b.weight(np.array(b.integer(-both, both - 1)), np.int64)], (hidden,), axis=0)
        return
    moved = _hidden_add(b, "Transpose", [states], perm=[1, 0, 2])
    b.add("Reshape", [moved, b.weight(np.array([0, both * hidden]), np.int64)], (both * hidden,))
