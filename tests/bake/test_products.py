"""Products of activations: what they tie, what may leave a sum, what stays."""

from __future__ import annotations

import numpy as np
import pytest

from edgeshrink.bake.remove_units import RemoveUnits
from tests.bake.support import dims, model, rng, run_pass


def weights(*shape: int, dead: tuple[int, ...] = (), seed: int = 1) -> np.ndarray:
    array = rng(seed).standard_normal(shape).astype(np.float32)
    array[:, list(dead)] = 0
    return array


GIVEN = {
    "wa": weights(3, 6, dead=(1, 4)),
    "wb": weights(3, 6, dead=(0,), seed=2),
    "wo": weights(5, 2, seed=3),
}
BIAS = np.zeros(6, np.float32)
BIAS[4] = 2
LINEAR = "(float[2, 5, 3] x) => (y) { a0 = MatMul(x, wa) a = Add(a0, ba) b = MatMul(x, wb) "
BOTH = [
    "t = Transpose<perm = [0, 2, 1]>(b) s = MatMul(a, t) y = MatMul(s, wo) }",
    'y0 = Einsum<equation = "bik,bjk->bij">(a, b) y = MatMul(y0, wo) }',
    'y = Einsum<equation = "bik,bjk,jo->bio">(a, b, wo) }',
]


@pytest.mark.parametrize("tail", BOTH)
def test_an_index_of_a_sum_leaves_both_factors_if_either_is_zero(tail: str):
    after = run_pass(model(LINEAR + tail, {**GIVEN, "ba": np.zeros(6, np.float32)}), RemoveUnits)
    assert dims(after)["wa"] == dims(after)["wb"] == (3, 3)


@pytest.mark.parametrize("tail", BOTH)
def test_an_index_stays_where_a_constant_meets_a_value_that_lives(tail: str):
    after = run_pass(model(LINEAR + tail, {**GIVEN, "ba": BIAS}), RemoveUnits)
    assert dims(after)["wa"] == dims(after)["wb"] == (3, 4)


@pytest.mark.parametrize("tail", BOTH)
def test_an_index_stays_where_two_constants_meet(tail: str):
    given = {**GIVEN, "ba": BIAS, "wb": weights(3, 6, dead=(4,), seed=2)}
    text = LINEAR.replace("b = MatMul(x, wb)", "b0 = MatMul(x, wb) b = Add(b0, ba)")
    after = run_pass(model(text + tail, given), RemoveUnits)
    assert dims(after)["wa"] == (3, 5)


@pytest.mark.parametrize("equation", ["bik,bik->bi", "bik,bkk->bi", "...k,...k->..."])
def test_equations_and_their_limits(equation: str):
    given = {**GIVEN, "ba": np.zeros(6, np.float32)}
    text = LINEAR + f'c = MatMul(x, wb) s = Einsum<equation = "{equation}">(a, c) y = Relu(s) }}'
    if "kk" in equation:
        text = text.replace("c = MatMul(x, wb)", "").replace("(a, c)", "(a, sq)").replace("=> (y)", "=> (y)")
        text = text.replace("float[2, 5, 3] x", "float[2, 5, 3] x, float[2, 6, 6] sq")
    after = run_pass(model(text, given), RemoveUnits)
    assert dims(after)["wa"] == ((3, 3) if equation == "bik,bik->bi" else (3, 6))


def test_a_constant_on_the_left_loses_what_it_reads_as_zero():
    left = weights(4, 6, dead=(2,), seed=5)
    given = {**GIVEN, "ba": np.zeros(6, np.float32), "left": left}
    text = LINEAR + "t = Transpose<perm = [0, 2, 1]>(a) s = MatMul(left, t) y = Relu(s) }"
    after = run_pass(model(text, given), RemoveUnits)
    assert (dims(after)["wa"], dims(after)["left"]) == ((3, 3), (4, 3))
