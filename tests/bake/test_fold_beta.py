"""FoldBeta: a bias that is scaled is stored as it is added."""

from __future__ import annotations

import numpy as np
import pytest

from edgeshrink.bake.fold_beta import FoldBeta
from tests.bake.support import bake, dims, model, rng, run_pass

DRAW = rng(4)
W = DRAW.standard_normal((3, 4)).astype(np.float32)
W[:, [1, 2]] = 0
ARRAYS = {"w": W, "b": DRAW.standard_normal(4).astype(np.float32), "u": np.eye(4, 2, 1).astype(np.float32)}
HEAD = "(float[N, 3] x, float[N, 4] given, float[4, 4] matrix) => (y)"


def betas(text: str) -> list[float]:
    after = run_pass(model(f"{HEAD} {{ {text} }}", ARRAYS, strict=False), FoldBeta)
    return [node.attributes.get_float("beta", 1.0) for node in after.graph if node.op_type == "Gemm"]


def test_a_stored_bias_is_scaled():
    assert betas("y = Gemm<beta = 0.5, alpha = 2.0>(x, w, b)") == [1]


def test_a_bias_that_two_add_is_scaled_for_one():
    assert betas("a = Gemm<beta = 0.5>(x, w, b) c = Gemm(x, w, b) y = Add(a, c)") == [1, 1]


@pytest.mark.parametrize("bias", ["", ", b"])
def test_a_bias_that_is_not_there_or_not_added_does_not_matter(bias: str):
    assert betas(f"y = Gemm<beta = 0.0>(x, w{bias})") == [1]


def test_a_bias_that_is_computed_stays_scaled():
    assert betas("y = Gemm<beta = 0.5>(x, w, given)") == [0.5]


def test_a_bias_that_would_leave_its_range_stays_scaled():
    huge = model(
        f"{HEAD} {{ y = Gemm<beta = 1e30>(x, w, b) }}", {**ARRAYS, "b": np.full(4, 1e30, np.float32)}
    )
    assert not FoldBeta()(huge).modified


def test_dead_units_with_a_scaled_bias_leave():
    text = f"{HEAD} {{ a = Gemm<beta = 2.0>(x, w, b) r = Relu(a) y = Gemm(r, u) }}"
    assert dims(bake(model(text, ARRAYS, strict=False)))["w"] == (3, 1)
