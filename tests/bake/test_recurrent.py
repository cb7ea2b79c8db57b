"""Masked LSTMs, GRUs and RNNs from torch: baked ones are exact and as small as those built by hand.

The tolerance is that of `tests.bake.support`; a state that is fed back a few steps adds no error beyond it.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import onnx_ir as ir
import pytest
import torch
from torch import nn

from edgeshrink.bake.drop_zero_states import DropZeroStates
from edgeshrink.bake.merge_directions import MergeDirections
from edgeshrink.bake.remove_units import RemoveUnits
from edgeshrink.bake.split_directions import SplitDirections
from edgeshrink.bake.take_from_parts import TakeFromParts
from edgeshrink.inputs import InputSpec, random_inputs
from edgeshrink.onnx_reader import read_onnx
from edgeshrink.trace import trace_module
from tests.bake.support import assert_equal, bake, dims, model, ops, parameters, rng, run_pass
from tests.graph.test_recurrent import GATES, cell, silence

CELLS = {"LSTM": nn.LSTM, "GRU": nn.GRU, "RNN": nn.RNN}
Exporter = Callable[[nn.Module], ir.Model]
HIDDEN, KEPT, WORDS, STEPS = 8, 5, 20, 6


class Classifier(nn.Module):
    """Embedding, recurrent layers, a linear layer; input (2, 6) words.

    Args:
        op: LSTM, GRU or RNN.
        hidden: Units in each direction.
        layers: How many on top of each other.
        directions: 1 or 2.
        embedded: Columns of the embedding.
        read: What the linear layer reads: the `last` step, the `mean` over all, or the last `state`.
    """

    def __init__(
        self,
        op: str,
        hidden: int = HIDDEN,
        *,
        layers: int = 1,
        directions: int = 1,
        embedded: int = 7,
        read: str,
    ) -> None:
        super().__init__()
        self.read = read
        self.embedding = nn.Embedding(WORDS, embedded)
        self.body = CELLS[op](embedded, hidden, layers, batch_first=True, bidirectional=directions == 2)
        self.head = nn.Linear(directions * hidden, 3)

    def forward(self, words: torch.Tensor) -> torch.Tensor:
        steps, state = self.body(self.embedding(words))
        if self.read == "state":
            state = state[0] if isinstance(state, tuple) else state
            last = torch.cat([state[-2], state[-1]], 1) if self.body.bidirectional else state[-1]
            return self.head(last)
        return self.head(steps[:, -1] if self.read == "last" else steps.mean(1))


def mask(layer: nn.RNNBase, dead: Callable[[str], Sequence[int]]) -> None:
    """Zero all rows of units, and their columns; `dead` names the units of `_l0`, `_l0_reverse` and so on."""
    with torch.no_grad():
        for name, tensor in layer.named_parameters():
            suffix = name[name.index("_l") :]
            units = list(dead(suffix))
            tensor.view(-1, layer.hidden_size, *tensor.shape[1:])[:, units] = 0
            if name.startswith("weight_hh"):
                tensor[:, units] = 0


def scattered(suffix: str) -> Sequence[int]:
    """Other units in every layer and direction, three of eight."""
    return np.random.default_rng(sum(map(ord, suffix))).permutation(HIDDEN)[: HIDDEN - KEPT].tolist()


def traced(network: nn.Module, exporter: str, folder: Path) -> ir.Model:
    words = torch.zeros(2, STEPS, dtype=torch.int64)
    spec = [InputSpec("words", tuple(words.shape), "int64")]
    if exporter == "dynamo":
        return trace_module(network, spec).model
    path = folder / "legacy.onnx"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            network.eval(), (words,), path, opset_version=17, dynamo=False, input_names=["words"],
            dynamic_axes={"words": {0: "N"}} if exporter == "legacy, batch open" else None,
        )  # fmt: skip
    return read_onnx(path, spec).model


EXPORTERS = pytest.mark.parametrize("exporter", ["dynamo", "legacy", "legacy, batch open"])
READS = pytest.mark.parametrize("read", ["last", "mean", "state"])
DEPTHS = pytest.mark.parametrize(("layers", "directions"), [(1, 1), (2, 1), (1, 2), (2, 2)])


def reaches_the_size_built_by_hand(op: str, layers: int, directions: int, read: str, write: Exporter) -> None:
    torch.manual_seed(0)
    network = Classifier(op, layers=layers, directions=directions, read=read)
    mask(network.body, scattered)
    before = write(network)
    after = bake(before, random_inputs(before, 32))
    small = write(Classifier(op, KEPT, layers=layers, directions=directions, read=read))
    ideal = bake(small, random_inputs(small, 32))
    assert parameters(after) == parameters(ideal)
    assert ops(after) == ops(ideal)


@pytest.mark.parametrize(("op", "layers", "directions", "read", "exporter"), [
    ("LSTM", 2, 2, "state", "dynamo"),
    ("LSTM", 1, 1, "last", "legacy, batch open"),
    ("LSTM", 2, 1, "mean", "legacy"),
    ("GRU", 2, 2, "last", "legacy, batch open"),
    ("GRU", 1, 2, "mean", "dynamo"),
    ("GRU", 2, 1, "state", "legacy"),
    ("RNN", 1, 1, "last", "dynamo"),
    ("RNN", 2, 2, "state", "legacy"),
])  # fmt: skip
def test_masked_units_leave_for_the_size_built_by_hand(op, layers, directions, read, exporter, tmp_path):
    reaches_the_size_built_by_hand(
        op, layers, directions, read, lambda network: traced(network, exporter, tmp_path)
    )


@pytest.mark.slow
@EXPORTERS
@READS
@DEPTHS
@pytest.mark.parametrize("op", CELLS)
def test_all_masked_layers_reach_the_size_built_by_hand(op, layers, directions, read, exporter, tmp_path):
    reaches_the_size_built_by_hand(
        op, layers, directions, read, lambda network: traced(network, exporter, tmp_path)
    )


@EXPORTERS
def test_a_network_without_a_mask_keeps_its_layers(exporter, tmp_path):
    torch.manual_seed(0)
    before = traced(Classifier("LSTM", layers=2, directions=2, read="last"), exporter, tmp_path)
    after = bake(before, random_inputs(before, 32))
    assert ops(after)["LSTM"] == 2
    assert sizes_of(after) == [8, 8]


def sizes_of(of: ir.Model) -> list[int]:
    """The hidden sizes of the recurrent layers."""
    return [node.attributes["hidden_size"].value for node in of.graph if node.op_type in GATES]


def test_directions_of_unequal_size_are_layers_of_their_own(tmp_path):
    torch.manual_seed(0)
    network = Classifier("GRU", directions=2, read="last")
    mask(network.body, lambda suffix: [1, 2] if "reverse" in suffix else [5])
    before = traced(network, "dynamo", tmp_path)
    after = bake(before, random_inputs(before, 32))
    assert sizes_of(after) == [7, 6]


@pytest.mark.parametrize("op", ["LSTM", "GRU"])
def test_units_whose_rows_live_but_that_nobody_reads_leave(op, tmp_path):
    torch.manual_seed(0)
    network = Classifier(op, read="mean")
    with torch.no_grad():
        network.head.weight[:, [0, 3]] = 0
        network.body.weight_hh_l0[:, 0] = 0  # unit 3 is read by others, which are read
    before = traced(network, "dynamo", tmp_path)
    assert sizes_of(bake(before, random_inputs(before, 32))) == [7]


@pytest.mark.parametrize("op", ["LSTM", "GRU"])
def test_a_unit_with_a_live_bias_starts_up_and_stays(op, tmp_path):
    torch.manual_seed(0)
    network = Classifier(op, read="last")
    mask(network.body, lambda _: [2])
    with torch.no_grad():
        network.body.bias_ih_l0[2 * HIDDEN + 2] = 0.5
    before = traced(network, "dynamo", tmp_path)
    assert sizes_of(bake(before, random_inputs(before, 32))) == [8]


def test_columns_of_the_embedding_that_nobody_reads_leave(tmp_path):
    torch.manual_seed(0)
    network = Classifier("LSTM", read="last")
    with torch.no_grad():
        network.body.weight_ih_l0[:, [1, 4]] = 0
        network.embedding.weight[:, 6] = 0.25  # constant, so the bias takes it
    before = traced(network, "dynamo", tmp_path)
    after = bake(before, random_inputs(before, 32))
    assert (WORDS, 4) in dims(after).values()
    assert (1, 4 * HIDDEN, 4) in dims(after).values()


def test_a_direction_that_nobody_reads_goes():
    arrays = {**cell("LSTM", directions=2), "i": np.array(1), "u": rng().standard_normal((4, 2)).astype("f")}
    before = model(
        "(float[T, N, 3] x) => (z) {"
        ' y, h = LSTM<hidden_size = 4, direction = "bidirectional">(x, w, r, b)'
        " s = Gather(h, i) z = MatMul(s, u) }",
        arrays,
    )
    after = bake(before)
    (layer,) = (node for node in after.graph if node.op_type == "LSTM")
    assert layer.attributes["direction"].value == "reverse"


@pytest.mark.parametrize("op", GATES)
@pytest.mark.parametrize("lengths", [False, True])
@pytest.mark.parametrize("direction", ["forward", "reverse", "bidirectional"])
def test_constants_among_the_inputs_go_into_the_bias(op, direction, lengths):
    """A projection of which one row is zero and has a bias; sequences may end early."""
    both = 2 if direction == "bidirectional" else 1
    arrays = {
        **cell(op, directions=both),
        "q": rng().standard_normal((3, 3)).astype("f") * [1, 0, 1],
        "a": np.array([0.5, 2, 0], "f"),
        "l": np.array([2, 3, 1, 4], np.int32),
        "u": rng().standard_normal((4, 2)).astype("f"),
    }
    arrays["q"] = arrays["q"].astype("f")
    before = model(
        "(float[4, 4, 3] x) => (z, g) { m = MatMul(x, q) p = Add(m, a)"
        f' y, h = {op}<hidden_size = 4, direction = "{direction}">(p, w, r, b{", l" if lengths else ""})'
        " z = MatMul(y, u) g = MatMul(h, u) }",
        arrays,
    )
    after = run_pass(before, RemoveUnits)
    assert dims(after)["w"] == (both, 4 * GATES[op], 2)


def test_a_missing_bias_is_made_and_a_shared_one_is_copied():
    arrays = {
        **cell("GRU"),
        "k": np.array([0.0, 2, 0], "f"),
        "u": np.ones((4, 2), "f"),
        "m": np.diag([1.0, 0, 1]),
    }
    arrays["m"] = arrays["m"].astype("f")
    text = (
        "(float[4, 2, 3] x) => (z) {{ n = MatMul(x, m) p = Add(n, k) "
        "y, h = GRU<hidden_size = 4>(p, w, r{0}) v, g = GRU<hidden_size = 4>(x, w2, r{0}) "
        "s = Add(y, v) z = MatMul(s, u) }}"
    )
    arrays["w2"] = arrays["w"][:, :, ::-1].copy()
    for bias in ("", ", b"):
        after = run_pass(model(text.format(bias), arrays), RemoveUnits)
        assert dims(after)["w"] == (1, 12, 2)


def test_shared_weights_change_in_both_layers_or_in_none():
    arrays = {**cell("LSTM"), "u": np.ones((4, 2), "f"), "t": np.ones((4, 2), "f"), "i": np.eye(3, dtype="f")}
    text = (
        "(float[4, 2, 3] x, float[4, 2, 3] e) => (z) { p = MatMul(x, i) q = MatMul(e, i) "
        "y, h = LSTM<hidden_size = 4>(p, w, r, b) v, g = LSTM<hidden_size = 4>(q, w, r, b) "
        "o = MatMul(y, u) n = MatMul(v, t) z = Add(o, n) }"
    )
    silence(arrays, "LSTM", 1)
    assert sizes_of(run_pass(model(text, arrays), RemoveUnits)) == [3, 3]
    arrays["w"], arrays["r"], arrays["b"] = cell("LSTM").values()
    arrays["r"][:, :, 1] = 0
    arrays["u"][1] = 0
    assert sizes_of(run_pass(model(text, arrays), RemoveUnits)) == [4, 4]
    arrays["t"][1] = 0
    assert sizes_of(run_pass(model(text, arrays), RemoveUnits)) == [3, 3]


@pytest.mark.parametrize(("state", "states"), [
    ("z", 1),  # stored
    ("e", 1),  # expanded to a size found at run time
    ("f", 1),
    ("n", 0),  # one of them is not zero
    ("x2", 0),  # from the input
])  # fmt: skip
def test_states_that_are_zero_are_omitted(state: str, states: int):
    arrays = {
        **cell("GRU"), "z": np.zeros((1, 2, 4), "f"), "n": np.eye(4, dtype="f")[None, :2],
        "zero": np.zeros((1, 1, 1), "f"), "shape": np.array([1, 2, 4]), "j": np.ones((3, 4), "f"),
        "first": np.array([0]),
    }  # fmt: skip
    text = (
        "(float[5, 2, 3] x) => (y) { size = Shape(shape) s = Add(shape, first) e = Expand(zero, s) "
        "f = ConstantOfShape(s) x1 = Gather(x, first) x2 = MatMul(x1, j) "
        f"y = GRU<hidden_size = 4>(x, w, r, b, , {state}) }}"
    )
    before = model(text, arrays, strict=False)
    rewrite = DropZeroStates()
    after = before.clone()
    rewrite(after)
    assert rewrite.detail == ({"states": 1} if states else {})
    assert_equal(before, after)


@pytest.mark.parametrize(("index", "axis", "reads"), [
    (0, 0, "a"), (2, 0, "b"), (-1, 0, "b"), (-4, 0, "a"), (0, 1, None),
])  # fmt: skip
def test_who_takes_one_part_of_a_concat_reads_that_part(index, axis, reads):
    before = model(
        "(float[1, 4] a, float[3, 4] b) => (z) "
        f"{{ c = Concat<axis = 0>(a, b) g = Gather<axis = {axis}>(c, i) z = Neg(g) }}",
        {"i": np.array(index)},
    )
    after = run_pass(before, TakeFromParts)
    assert ops(after)["Concat"] == (0 if reads else 1)
    (gather,) = (node for node in after.graph if node.op_type == "Gather")
    assert gather.inputs[0].name == (reads or "c")


READERS = {
    "merged": "t = Transpose<perm = [0, 2, 1, 3]>(y) z = Reshape(t, flat)",
    "merged twice": "t = Transpose<perm = [0, 2, 1, 3]>(y) m = Reshape(t, flat) "
    "n = Reshape(t, flat) o = Neg(m) z = Add(o, n)",
    "states": "t = Transpose<perm = [1, 0, 2]>(h) z = Reshape(t, flat2)",
    "one by one": "m = Gather(h, zero) n = Gather(h, last) z = Concat<axis = 1>(m, n)",
    "first of both": "m = Gather<axis = 1>(y, zero) n = Gather(h, zero) z = Add(m, n)",
    "whole": "z = Neg(y)",
    "whole and merged": "m = Neg(y) t = Transpose<perm = [0, 2, 1, 3]>(y) s = Reshape(t, flat) "
    "n = Reshape(m, five) o = Reshape(s, five) z = Add(n, o)",
    "another order": "t = Transpose<perm = [0, 1, 2, 3]>(y) z = Reshape(t, five)",
    "both outputs": "t = Transpose<perm = [0, 2, 1, 3]>(y) m = Reshape(t, flat) "
    "s = Transpose<perm = [1, 0, 2]>(h) n = Reshape(s, flat2) z = Add(m, n)",
}


@pytest.mark.parametrize("op", GATES)
@pytest.mark.parametrize("readers", READERS.values(), ids=READERS)
def test_directions_are_split_and_merged_again(op: str, readers: str):
    arrays = {
        **cell(op, directions=2), "flat": np.array([0, 0, -1]), "flat2": np.array([2, 8]),
        "five": np.array([5, 16]), "zero": np.array(0), "last": np.array(-1),
    }  # fmt: skip
    names = ["Sigmoid", "Relu", "Tanh"][: {"LSTM": 3, "GRU": 2, "RNN": 1}[op]]
    functions = ", ".join(f'"{name}"' for name in [*names, *names[::-1]])
    before = model(
        f'(float[5, 2, 3] x) => (z) {{ y, h = {op}<hidden_size = 4, direction = "bidirectional", '
        f"activations = [{functions}]>(x, w, r, b) {readers} }}",
        arrays,
    )
    split = run_pass(before, SplitDirections)
    assert not any(node.attributes.get_string("direction", "") == "bidirectional" for node in split.graph)
    merged = run_pass(split, MergeDirections)
    if "first" not in readers and ops(split)[op] == 2:
        assert ops(merged)[op] == 1
        assert parameters(merged) == parameters(before)


@pytest.mark.parametrize(("outputs", "operands", "more"), [
    ("y", "x, w, r, b", ""),  # the graph's output holds both
    ("z", "x, w, r, b, , s", ""),  # a state from outside does
    ("z, u", "x, w, r, b", "v, u = GRU<hidden_size = 4, direction = \"bidirectional\">(x, w, r, b2)"),
])  # fmt: skip
def test_directions_stay_together_where_somebody_else_sees_them(outputs: str, operands: str, more: str):
    arrays = {**cell("GRU", directions=2), "b2": np.ones((2, 24), "f")}
    before = model(
        f"(float[5, 2, 3] x, float[2, 2, 4] s) => ({outputs}) "
        f'{{ y, h = GRU<hidden_size = 4, direction = "bidirectional">({operands}) z = Neg(h) {more} }}',
        arrays,
    )
    assert ops(run_pass(before, SplitDirections)) == ops(before)
