"""Attention heads leave whole: from query, key, value and the layer behind them, exactly."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest

from edgeshrink.bake.move_value_biases import MoveValueBiases
from edgeshrink.bake.remove_units import RemoveUnits
from tests.bake.support import bake, dims, model, rng, run_pass

HEADS, SIZE = 4, 3
WIDTH = HEADS * SIZE


def arrays(seed: int = 0) -> dict[str, np.ndarray]:
    draw = rng(seed)
    made = {f"w{name}": draw.standard_normal((WIDTH, WIDTH)) for name in "qkvo"}
    made |= {f"b{name}": draw.standard_normal(WIDTH) for name in "qkvo"}
    made |= {"w": draw.standard_normal((WIDTH, 3 * WIDTH)), "b": draw.standard_normal(3 * WIDTH)}
    floats = {name: array.astype(np.float32) for name, array in made.items()}
    shapes = {
        "split": [0, 0, HEADS, SIZE],
        "join": [0, 0, -1],
        "three": [2, 5, 3, HEADS, SIZE],
        "flat": [-1, SIZE, 5],
        "back": [2, HEADS, SIZE, 5],
    }
    whole = {name: np.array(shape, np.int64) for name, shape in shapes.items()}
    whole |= {name: np.array(i, np.int64) for i, name in enumerate(("i0", "i1", "i2"))}
    return {**floats, **whole, "root": np.float32(0.5), "mask": np.triu(np.full((5, 5), -1e4, np.float32), 1)}


ATTEND = """
    s = MatMul(q, k) c = Mul(s, root) m = Add(c, mask) p = Softmax<axis = -1>(m) a = MatMul(p, v)
    t = Transpose<perm = [0, 2, 1, 3]>(a) f = Reshape(t, join) h = MatMul(f, wo) y = Add(h, bo) }"""


def head(name: str, perm: str = "0, 2, 1, 3") -> str:
    return (
        f"{name}0 = MatMul(x, w{name}) {name}1 = Add({name}0, b{name}) {name}2 = Reshape({name}1, split)"
        f" {name} = Transpose<perm = [{perm}]>({name}2) "
    )


PLAIN = "(float[N, 5, 12] x) => (y) {" + head("q") + head("k", "0, 2, 3, 1") + head("v") + ATTEND
BATCHED = (
    "(float[2, 5, 12] x) => (y) {"
    + head("q")
    + head("kk", "0, 2, 3, 1").replace("wkk", "wk").replace("bkk", "bk")
    + "kf = Reshape(kk, flat) k = Reshape(kf, back) "
    + head("v")
    + ATTEND
)
FUSED = (
    """(float[2, 5, 12] x) => (y) { u = MatMul(x, w) l = Add(u, b) r = Reshape(l, three)
    z = Transpose<perm = [2, 0, 3, 1, 4]>(r) q = Gather<axis = 0>(z, i0) k0 = Gather<axis = 0>(z, i1)
    v = Gather<axis = 0>(z, i2) k = Transpose<perm = [0, 1, 3, 2]>(k0)"""
    + ATTEND
)
CASES = pytest.mark.parametrize("text", [PLAIN, BATCHED])


def cut(after: ir.Model) -> set[tuple[int, ...]]:
    return {shape for name, shape in dims(after).items() if name in ("wq", "wk", "wv", "wo", "w")}


def of_heads(*heads: int) -> list[int]:
    return [head * SIZE + i for head in heads for i in range(SIZE)]


@CASES
def test_heads_that_nobody_reads_leave(text: str):
    given = arrays()
    given["wo"][of_heads(1, 3)] = 0
    after = bake(model(text, given))
    assert cut(after) == {(12, 6), (6, 12)}


@CASES
def test_heads_of_zero_values_leave(text: str):
    given = arrays()
    given["wv"][:, of_heads(0, 3)] = given["bv"][of_heads(0, 3)] = 0
    after = bake(model(text, given))
    assert cut(after) == {(12, 6), (6, 12)}


@CASES
def test_heads_of_dead_values_leave_though_their_biases_live(text: str):
    given = arrays()
    given["wv"][:, of_heads(0, 3)] = 0
    after = bake(model(text, given))
    assert cut(after) == {(12, 6), (6, 12)}


@CASES
def test_part_of_a_head_stays(text: str):
    given = arrays()
    given["wo"][of_heads(1)[:2]] = 0
    after = run_pass(model(text, given), RemoveUnits)
    assert cut(after) == {(12, 12)}


def test_heads_of_a_fused_projection_leave_from_all_three_parts():
    given = arrays()
    given["wo"][of_heads(1)] = 0
    after = bake(model(FUSED, given))
    assert cut(after) == {(12, 27), (9, 12)}


def test_no_bias_moves_that_lives_or_that_is_not_the_values():
    given = arrays()
    given["wq"][:, of_heads(2)] = given["wk"][:, of_heads(2)] = 0
    assert MoveValueBiases()(model(PLAIN, given)).modified is False


def test_a_value_that_is_also_an_output_keeps_its_bias():
    given = arrays()
    given["wv"][:, of_heads(2)] = 0
    text = PLAIN.replace("=> (y)", "=> (y, v)")
    assert MoveValueBiases()(model(text, given)).modified is False
    after = bake(model(text, given))
    assert cut(after) == {(12, 12)}


def test_biases_move_only_past_a_softmax_over_the_positions_that_are_summed():
    given = arrays()
    given["wv"][:, of_heads(2)] = 0
    for other in ("p = Relu(m)", "p = Softmax<axis = 2>(m)"):
        text = PLAIN.replace("p = Softmax<axis = -1>(m)", other)
        assert MoveValueBiases()(model(text, given)).modified is False


@pytest.mark.parametrize("text", [BATCHED, FUSED])
def test_value_biases_move_through_what_only_moves_elements(text: str):
    given = arrays()
    given["wv"][:, of_heads(2)] = 0
    given["w"][:, [24 + i for i in of_heads(2)]] = 0
    before = model(text, given)
    after = run_pass(before, MoveValueBiases)
    assert any(name.endswith("_moved") for name in after.graph.initializers)


@pytest.mark.parametrize("bias", [0.0, 1.5])
def test_heads_of_dead_values_in_a_fused_projection_leave_too(bias: float):
    given = arrays()
    values = [24 + i for i in of_heads(1)]
    given["w"][:, values], given["b"][values] = 0, bias
    after = bake(model(FUSED, given))
    assert cut(after) == {(12, 27), (9, 12)}
