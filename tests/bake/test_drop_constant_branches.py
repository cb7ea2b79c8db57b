"""DropConstantBranches: a branch that only ever adds or multiplies numbers goes, with all that fed it."""

from __future__ import annotations

import numpy as np
import pytest

from edgeshrink.bake.drop_constant_branches import DropConstantBranches
from tests.bake.support import bake, dims, model, ops, rng, run_pass

W = rng(1).standard_normal((3, 3, 3, 3)).astype(np.float32)
B = np.array([1, -2, 3], np.float32)
ZERO = np.zeros_like(W)
X = "(float[N, 3, 6, 6] x)"
PAD = "pads = [1, 1, 1, 1]"


def dropped(body: str, outputs: str = "y", **arrays: np.ndarray):
    return run_pass(
        model(f"{X} => ({outputs}) {{ {body} }}", {"w": W, "z": ZERO, "b": B, **arrays}), DropConstantBranches
    )


def test_a_masked_branch_of_a_sum_leaves_its_numbers():
    after = dropped(f"f = Conv<{PAD}>(x, w) g = Conv<{PAD}>(f, z, b) r = Relu(g) s = Add(x, r) y = Neg(s)")
    assert ops(after) == {"Add": 1, "Neg": 1}


def test_adding_nothing_goes_altogether():
    after = dropped(f"f = Conv<{PAD}>(x, w) g = Conv<{PAD}>(f, z) s = Add(g, x) y = Neg(s)")
    assert ops(after) == {"Neg": 1}


@pytest.mark.parametrize(("op", "number", "left"), [
    ("Add", 0, 0), ("Sub", 0, 0), ("Mul", 1, 0), ("Div", 1, 0), ("Add", 1, 1), ("Mul", 0, 1), ("Div", 2, 1),
])  # fmt: skip
def test_neutral_numbers_on_the_right(op: str, number: float, left: int):
    assert ops(dropped(f"s = {op}(x, n) y = Neg(s)", n=np.full((1, 3, 1, 1), number, np.float32)))[op] == left


@pytest.mark.parametrize(
    ("op", "number", "left"), [("Add", 0, 0), ("Mul", 1, 0), ("Sub", 0, 1), ("Div", 1, 1)]
)
def test_and_on_the_left(op: str, number: float, left: int):
    assert ops(dropped(f"e = Exp(x) s = {op}(n, e) y = Neg(s)", n=np.float32(number)))[op] == left


def test_a_neutral_number_that_broadcasts_stays():
    after = run_pass(
        model(
            "(float[N, 3] x) => (float[4, N, 3] y) { s = Add(x, n) y = Neg(s) }",
            {"n": np.zeros((4, 1, 1), np.float32)},
        ),
        DropConstantBranches,
    )
    assert ops(after)["Add"] == 1


def test_a_graph_output_keeps_its_node():
    assert ops(dropped("y = Add(x, n)", n=np.float32(0)))["Add"] == 1


def test_both_sides_constant():
    after = dropped(f"f = Conv<{PAD}>(x, z, b) g = Conv<{PAD}>(x, z, c) s = Add(f, g) y = Mul(s, x)", c=B + 1)
    assert ops(after) == {"Mul": 1}


def test_a_value_with_itself():
    dropped(f"f = Conv<{PAD}>(x, z, b) s = Add(f, f) t = Mul(s, s) y = Mul(t, x)")


def test_a_constant_that_alone_gives_the_shape_stays():
    before = model(
        "(float[N, 3, 1, 1] x, float[N, 3, 6, 6] u) => (y) { f = Conv(u, z, b) y = Add(x, f) }",
        {"z": ZERO, "b": B},
    )
    assert ops(run_pass(before, DropConstantBranches))["Conv"] == 1


def test_lengths_nobody_knows_are_not_taken_for_equal():
    before = model(
        "(float[M, 3] x, float[N, 3] u) => (float[P, 3] y) { f = Gemm(u, z, b) y = Add(x, f) }",
        {"z": ZERO[:, :, 0, 0], "b": B},
        strict=False,
    )
    for name in ("x", "u"):
        value = next(value for value in before.graph.inputs if value.name == name)
        value.shape = type(value.shape)([None, 3])
    for node in before.graph:
        node.outputs[0].shape = type(node.outputs[0].shape)([None, 3])
    one, four = np.ones((1, 3), np.float32), np.ones((4, 3), np.float32)
    run_pass(before, DropConstantBranches, feeds=[{"x": one, "u": four}, {"x": four, "u": four}])


def test_a_dead_dendrite_goes_with_its_weights():
    after = bake(
        model(
            f"""{X} => (y) {{ main = Conv<{PAD}>(x, w, b) f = Conv<{PAD}>(x, v) s = Sigmoid(f) t = Mul(s, top)
            sum = Add(main, t) y = Relu(sum) }}""",
            {"w": W, "v": W[::-1], "b": B, "top": np.zeros((1, 3, 1, 1), np.float32)},
        )
    )
    assert ops(after) == {"Conv": 1, "Relu": 1}
    assert set(dims(after)) == {"w", "b"}


def test_half_dead_top_weights_take_their_units_of_the_dendrite():
    after = bake(
        model(
            f"""{X} => (y) {{ main = Conv<{PAD}>(x, w, b) f = Conv<{PAD}>(x, v) s = Sigmoid(f) t = Mul(s, top)
            sum = Add(main, t) y = Relu(sum) }}""",
            {"w": W, "v": W[::-1], "b": B, "top": np.array([1, 0, 1], np.float32).reshape(1, 3, 1, 1)},
        )
    )
    assert ops(after)["Conv"] == 2  # its dead unit is tied to the living one of the sum


@pytest.mark.parametrize("op", ["Max", "Min", "Sum"])
def test_the_other_operators_that_broadcast(op: str):
    after = dropped(f"f = Conv<{PAD}>(x, z, b) y = {op}(x, f)")
    assert ops(after) == {op: 1}


def test_integers_are_left_alone():
    big = np.array([2**53 + 1, 2, 3], np.int64)
    before = model("(int64[N, 3] x) => (y) { s = Add(k, k) y = Add(x, s) }", {"k": big})
    feeds = [{"x": np.array([[1, 2, 3]])}]
    run_pass(before, DropConstantBranches, feeds=feeds)
