"""Axes and sizes that an exporter left as nodes are numbers before any rule looks at them."""

from __future__ import annotations

import numpy as np

from tests.lower.support import lowered, lowered_same, parse


def test_axes_behind_operators_on_constants_are_known_to_the_rules() -> None:
    text = """(float[2, 3, 4] x) => (float[2, 4] y) {
        a = Reshape(axis, one)
        c = Cast<to = 7>(a)
        y = ReduceMean<keepdims = 0>(x, c)
    }"""
    made = lowered_same(parse(text, 18, axis=np.array(1, np.int32), one=np.array([1])))
    assert made.ops == {"ReduceMean": 1}


def test_axes_in_nodes_of_constants_are_known_too() -> None:
    text = """(float[2, 3, 4] x) => (float[2, 4] y) {
        a = Constant <value = int64 {-2}>()
        b = Constant <value = int64[1] {0}>()
        c = Unsqueeze(a, b)
        y = ReduceMean<keepdims = 0>(x, c)
    }"""
    assert lowered_same(parse(text, 18)).ops["ReduceMean"] == 1


def test_weights_stay_what_they_were() -> None:
    text = "(float[2, 3] x) => (float[2, 3] y) { m = Mul(w, mask) y = MatMul(x, m) }"
    weights = {"w": np.ones((3, 3), np.float32), "mask": np.eye(3, dtype=np.float32)}
    assert lowered_same(parse(text, 18, **weights)).ops == {"Mul": 1, "MatMul": 1}


def test_a_file_that_is_old_enough_stays_as_it_is() -> None:
    text = "(float[2, 3] x) => (float[3, 2] y) { s = Neg(minus) y = Reshape(x, s) }"
    assert lowered(parse(text, 13, minus=np.array([-3, -2]))).ops == {"Neg": 1, "Reshape": 1}
