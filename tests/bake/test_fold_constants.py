"""FoldConstants: what depends on weights alone is computed once, and nothing else."""

from __future__ import annotations

import numpy as np
import onnx
import onnx_ir as ir
import pytest

from edgeshrink.bake.fold_constants import FoldConstants
from edgeshrink.bake.remove_units import RemoveUnits
from tests.bake.support import assert_equal, dims, model, ops, rng, run_pass

W = rng(1).standard_normal((4, 3)).astype(np.float32)
MASK = np.array([[1], [0], [1], [0]], np.float32)
X = "(float[N, 3] x)"


def test_a_mask_becomes_zeros_of_the_weight():
    text = f"{X} => (float[N, 2] y) {{ m = Mul(w, mask) t = Transpose(m) a = MatMul(x, t) y = MatMul(a, u) }}"
    after = run_pass(model(text, {"w": W, "mask": MASK, "u": W[:, :2]}), FoldConstants, RemoveUnits)
    assert ops(after) == {"MatMul": 2}
    assert sorted(dims(after).values()) == [(2, 2), (3, 2)]


def test_constant_nodes_become_initializers():
    text = f"{X} => (y) {{ c = Constant<value = float[3] {{1, 2, 3}}>() y = Add(x, c) }}"
    assert ops(run_pass(model(text), FoldConstants)) == {"Add": 1}


def test_the_arithmetic_of_shapes():
    text = """(float[2, 3, 4] x) => (float[2, 12] y) { s = Shape(x) n = Gather(s, zero) u = Unsqueeze(n, axis)
        t = Concat<axis = 0>(u, rest) y = Reshape(x, t) }"""
    arrays = {"zero": np.array(0), "axis": np.array([0]), "rest": np.array([-1])}
    assert ops(run_pass(model(text, arrays), FoldConstants)) == {"Reshape": 1}


def test_the_shape_of_a_batch_only_known_at_run_time_stays_a_question():
    text = """(float[N, 3, 4] x) => (float[N, 12] y) { s = Shape(x) n = Gather(s, zero)
        t = Concat<axis = 0>(n, rest) y = Reshape(x, t) }"""
    run_pass(model(text, {"zero": np.array([0]), "rest": np.array([12])}), FoldConstants)


def test_few_numbers_are_not_stored_many_times():
    text = (
        f"{X} => (float[N, 3] y) {{ e = Expand(w, size) s = ReduceSum<keepdims = 0>(e, axis) y = Add(x, s) }}"
    )
    arrays = {"w": W[:1], "size": np.array([1000, 3]), "axis": np.array([0])}
    assert ops(run_pass(model(text, arrays), FoldConstants))["Expand"] == 1


def test_few_copies_are_stored():
    text = f"{X} => (float[N, 3] y) {{ e = Expand(w, size) y = Add(x, e) }}"
    arrays = {"w": W[:1, :1], "size": np.array([1, 3])}
    assert ops(run_pass(model(text, arrays), FoldConstants)) == {"Add": 1}


def test_what_callers_may_override_is_not_folded():
    before = model(
        f"{X} => (float[N, 4] y) {{ m = Mul(w, mask) t = Transpose(m) y = MatMul(x, t) }}",
        {"w": W, "mask": MASK},
    )
    before.graph.inputs.append(before.graph.initializers["mask"])
    feeds = [{"x": W, "mask": MASK}, {"x": W, "mask": 1 - MASK}]
    assert ops(run_pass(before, FoldConstants, feeds=feeds))["Mul"] == 1


@pytest.mark.parametrize(
    "draw",
    [
        "RandomNormalLike(w)",
        "RandomUniform<shape = [4, 3]>()",
        "Bernoulli(p)",
        "Multinomial<sample_size = 3>(w)",
    ],
)
def test_chance_is_not_folded(draw: str):
    before = model(f"{X} => (y, r) {{ r = {draw} y = Neg(x) }}", {"w": W, "p": np.abs(W) / 9}, strict=False)
    FoldConstants()(before)
    assert len(ops(before)) == 2


def test_dropout_goes_in_inference_and_stays_in_training():
    text = f"{X} => (float[N, 3] y) {{ d = Dropout(x ARGS) y = Neg(d) }}"
    assert ops(run_pass(model(text.replace("ARGS", ""), {}), FoldConstants))["Dropout"] == 0
    arrays = {"ratio": np.float32(0.5), "train": np.array(True)}
    before = model(text.replace("ARGS", ", ratio, train"), arrays)
    FoldConstants()(before)
    assert ops(before)["Dropout"] == 1


def test_quantized_weights_stay_quantized():
    text = f"{X} => (y) {{ d = DequantizeLinear(q, scale, zero) y = MatMul(x, d) }}"
    arrays = {"q": np.ones((3, 4), np.int8), "scale": np.float32(0.1), "zero": np.int8(0)}
    assert ops(run_pass(model(text, arrays), FoldConstants))["DequantizeLinear"] == 1


def test_a_constant_that_is_a_graph_output():
    after = run_pass(
        model(f"{X} => (y, float[4, 3] m) {{ m = Mul(w, mask) y = Neg(x) }}", {"w": W, "mask": MASK}),
        FoldConstants,
    )
    assert [value.name for value in after.graph.outputs] == ["y", "m"]


def test_a_branch_that_is_decided():
    text = f"""{X} => (float[N, 4] y) {{ z = If(yes) <then_branch = t () => (o) {{ o = Mul(w, mask) }},
        else_branch = e () => (p) {{ p = Neg(w) }}> v = Transpose(z) y = MatMul(x, v) }}"""
    arrays = {"w": W, "mask": MASK, "yes": np.array(True)}
    assert ops(run_pass(model(text, arrays), FoldConstants)) == {"MatMul": 1}


def test_custom_operators_are_not_computed():
    before = model(
        f"{X} => (y) {{ m = custom.Mul(w, mask) y = MatMul(x, m) }}", {"w": W, "mask": MASK}, strict=False
    )
    FoldConstants()(before)
    assert ops(before) == {"Mul": 1, "MatMul": 1}


def test_external_data(tmp_path):
    before = model(
        f"{X} => (float[N, 4] y) {{ m = Mul(w, mask) t = Transpose(m) y = MatMul(x, t) }}",
        {"w": W, "mask": MASK},
    )
    onnx.save(
        ir.to_proto(before),
        tmp_path / "m.onnx",
        save_as_external_data=True,
        size_threshold=0,
        location="m.data",
    )
    loaded = ir.load(tmp_path / "m.onnx")
    FoldConstants()(loaded)
    assert ops(loaded) == {"MatMul": 1}
    assert_equal(before, loaded)
