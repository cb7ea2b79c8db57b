"""CleanUp: what nobody reads and what is there twice goes; outputs keep their names and their number."""

from __future__ import annotations

import numpy as np
import pytest

from edgeshrink.bake.clean_up import CleanUp
from tests.bake.support import dims, model, ops, run_pass

X = "(float[N, 3] x)"
ONE, MINUS = np.array([1, 2, 3], np.float32), np.array([0.0, -0.0, 1], np.float32)


def cleaned(text: str, **arrays: np.ndarray):
    return run_pass(model(text, arrays), CleanUp)


def test_identities_repetitions_and_dead_code_go():
    after = cleaned(
        f"{X} => (y) {{ i = Identity(x) a = Relu(i) b = Relu(x) dead = Neg(a) s = Add(a, b) y = Add(s, c) }}",
        c=ONE,
        dead=ONE,
    )
    assert ops(after) == {"Relu": 1, "Add": 2}


def test_attributes_and_inputs_tell_nodes_apart():
    text = (
        f"{X} => (y) {{ a = LeakyRelu<alpha = 0.1>(x) b = LeakyRelu<alpha = 0.2>(x) c = "
        f"LeakyRelu(x) s = Sum(a, b, c) t = Sub(a, b) u = Sub(b, a) y = Sum(s, t, u) }}"
    )
    assert ops(cleaned(text))["LeakyRelu"] == 3
    assert ops(cleaned(text))["Sub"] == 2


@pytest.mark.parametrize(
    "draw", ["RandomNormalLike(x)", "Bernoulli(x)", "custom.Draw(x)", "Dropout(x, r, t)"]
)
def test_chance_strikes_twice(draw: str):
    before = model(
        f"{X} => (y) {{ a = {draw} b = {draw} y = Sub(a, b) }}",
        {"r": np.float32(0.5), "t": np.array(True)},
        strict=False,
    )
    CleanUp()(before)
    assert before.graph.num_nodes() == 3


@pytest.mark.parametrize("text", [
    "y = Relu(x) z = Relu(x)",
    "y = Relu(x) z = Identity(y)",
    "r = Relu(x) y = Identity(r) z = Identity(r)",
    "y = Identity(x) z = Identity(x)",
    "y = Identity(w) z = Identity(x)",
    "r = Relu(x) s = Relu(x) y = Identity(r) z = Identity(s)",
    "y = Identity(x) z = Relu(y)",
    "r = Identity(x) y = Relu(r) z = Neg(r)",
])  # fmt: skip
def test_equal_outputs_stay_two(text: str):
    after = cleaned(f"{X} => (y, z) {{ {text} }}", w=ONE)
    assert [value.name for value in after.graph.outputs] == ["y", "z"]


def test_equal_constants_become_one():
    after = cleaned(f"{X} => (y) {{ a = Add(x, c) y = Mul(a, d) }}", c=ONE, d=ONE.copy())
    assert len(dims(after)) == 1


@pytest.mark.parametrize("other", [ONE.astype(np.float64), ONE[None], np.array([1, 2, 4], np.float32)])
def test_constants_that_differ_in_type_shape_or_a_number_do_not(other: np.ndarray):
    text = f"{X} => (y, z) {{ y = Add(x, c) z = Identity(d) }}"
    assert len(dims(cleaned(text, c=ONE, d=other))) == 2


def test_negative_zero_is_another_number():
    after = cleaned(f"{X} => (y, z) {{ y = Div(x, c) z = Div(x, d) }}", c=MINUS, d=np.abs(MINUS))
    assert len(dims(after)) == 2


def test_constants_that_callers_may_override_or_that_are_outputs():
    before = model(
        f"{X} => (y) {{ a = Add(x, c) b = Mul(a, d) y = Sub(b, e) }}", {"c": ONE, "d": ONE, "e": ONE}
    )
    before.graph.inputs.append(before.graph.initializers["d"])
    before.graph.outputs.append(before.graph.initializers["e"])
    feeds = [{"x": ONE[None], "d": ONE + 1}]
    assert len(dims(run_pass(before, CleanUp, feeds=feeds))) == 3


def test_subgraphs_keep_their_own_outputs():
    before = model(
        f"""{X.replace(")", ", bool c)")} => (float[A, 3] y) {{ r = Relu(x) y = If(c) <
        then_branch = t () => (o) {{ o = Identity(r) }},
        else_branch = e () => (p) {{ q = Identity(r) p = Neg(q) }}> }}"""
    )
    feeds = [{"x": ONE[None], "c": np.array(flag)} for flag in (True, False)]
    run_pass(before, CleanUp, feeds=feeds)


def test_nothing_to_do():
    assert not CleanUp()(model(f"{X} => (y) {{ y = Relu(x) }}")).modified
