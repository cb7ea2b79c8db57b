"""FoldBatchNorm: a norm behind a layer of its own goes; every other one stays."""

from __future__ import annotations

import numpy as np
import pytest

from edgeshrink.bake.fold_batchnorm import FoldBatchNorm
from edgeshrink.bake.remove_units import RemoveUnits
from tests.bake.support import dims, model, ops, rng, run_pass

DRAW = rng(3)
NORM = {
    "s": DRAW.uniform(0.5, 2, 4).astype(np.float32),
    "t": DRAW.standard_normal(4).astype(np.float32),
    "m": DRAW.standard_normal(4).astype(np.float32),
    "v": DRAW.uniform(0.5, 2, 4).astype(np.float32),
}
ARRAYS = {
    **NORM,
    "w": DRAW.standard_normal((4, 3, 3, 3)).astype(np.float32),
    "b": DRAW.standard_normal(4).astype(np.float32),
    "wt": DRAW.standard_normal((6, 2, 2, 2)).astype(np.float32),
    "g": DRAW.standard_normal((3, 4)).astype(np.float32),
    "gt": DRAW.standard_normal((4, 3)).astype(np.float32),
    "b2": DRAW.standard_normal((5, 4)).astype(np.float32),
    "one": np.float32(1.5),
}


def norms(text: str, inputs: str = "float[5, 3, 6, 6] x", outputs: str = "y", **arrays: np.ndarray) -> int:
    """How many norms are left of a model after the pass, which must not change what it computes."""
    return ops(
        run_pass(model(f"({inputs}) => ({outputs}) {{ {text} }}", {**ARRAYS, **arrays}), FoldBatchNorm)
    )["BatchNormalization"]


BN = "y = BatchNormalization(a, s, t, m, v)"


@pytest.mark.parametrize("layer", [
    "a = Conv(x, w)",
    "a = Conv(x, w, b)",
    "a = Conv<pads = [1, 1, 1, 1], strides = [2, 2]>(x, w, b)",
])  # fmt: skip
def test_behind_a_conv_of_its_own(layer: str):
    assert norms(f"{layer} {BN}") == 0


@pytest.mark.parametrize("groups", [1, 2])
def test_behind_a_transposed_conv(groups: int):
    weight = ARRAYS["wt"] if groups == 2 else np.concatenate([ARRAYS["wt"], ARRAYS["wt"][::-1]], axis=1)
    text = f"a = ConvTranspose<group = {groups}, strides = [2, 2]>(x, wt) {BN}"
    assert norms(text, "float[N, 6, 5, 5] x", wt=weight) == 0


@pytest.mark.parametrize("layer", [
    "a = Gemm(x, g)",
    "a = Gemm<transB = 1, alpha = 0.5>(x, gt, b)",
    "a = Gemm<beta = 2.0>(x, g, b)",
    "a = Gemm<beta = 0.5>(x, g, b2)",
    "a = Gemm<alpha = 3.0>(x, g, one)",
])  # fmt: skip
def test_behind_a_gemm(layer: str):
    assert norms(f"{layer} {BN}", "float[5, 3] x") == 0


def test_a_depthwise_and_a_grouped_conv():
    for groups in (4, 2):
        weight = ARRAYS["w"][:, : 4 // groups]
        assert norms(f"a = Conv<group = {groups}>(x, w) {BN}", "float[N, 4, 6, 6] x", w=weight) == 0


@pytest.mark.parametrize(("text", "outputs"), [
    (f"a = Conv(x, w) {BN} z = Relu(a)", "y, z"),  # another reader
    (f"a = Conv(x, w) {BN}", "y, a"),  # the layer's output is the graph's
    (f"a = Conv(x, w) {BN} z = Conv(x, w)", "y, z"),  # a weight of two layers
    (f"a = Conv(x, w) c = Relu(a) {BN.replace('(a', '(c')}", "y"),  # not behind a layer
    (f"c = Conv(x, w) d = Conv(x, w) a = Add(c, d) {BN}", "y"),
])  # fmt: skip
def test_it_must_not_fire(text: str, outputs: str):
    assert norms(text, "float[5, 3, 6, 6] x", outputs) == 1


def test_statistics_of_the_batch_itself():
    before = model(
        "(float[5, 3, 6, 6] x) => (y) { a = Conv(x, w) y, p, q = "
        "BatchNormalization<training_mode = 1>(a, s, t, m, v) }",
        ARRAYS,
    )
    assert not FoldBatchNorm()(before).modified


def test_on_a_graph_input():
    assert norms("y = BatchNormalization(x, s, t, m, v)", "float[N, 4, 6, 6] x") == 1


def test_a_weight_that_is_a_graph_output_or_that_callers_may_override():
    before = model(f"(float[N, 3, 6, 6] x) => (y) {{ a = Conv(x, w, b) {BN} }}", ARRAYS)
    before.graph.outputs.append(before.graph.initializers["w"])
    assert ops(run_pass(before, FoldBatchNorm))["BatchNormalization"] == 1
    for name in ("w", "b", "s"):
        before = model(f"(float[N, 3, 6, 6] x) => (y) {{ a = Conv(x, w, b) {BN} }}", ARRAYS)
        before.graph.inputs.append(before.graph.initializers[name])
        feeds = [{"x": np.ones((2, 3, 6, 6), np.float32), name: ARRAYS[name] + 1}]
        assert ops(run_pass(before, FoldBatchNorm, feeds=feeds))["BatchNormalization"] == 1


def test_a_bias_that_is_a_graph_output_keeps_its_numbers():
    before = model(f"(float[N, 3, 6, 6] x) => (y) {{ a = Conv(x, w, b) {BN} }}", ARRAYS)
    before.graph.outputs.append(before.graph.initializers["b"])
    assert ops(run_pass(before, FoldBatchNorm))["BatchNormalization"] == 0


def test_parameters_that_two_norms_share_and_a_norm_that_is_the_graph_output():
    text = """a = Conv(x, w) c = BatchNormalization(a, s, t, m, v) d = Conv(c, w2, b)
        y = BatchNormalization(d, s, t, m, v)"""
    w2 = np.asarray(rng(5).standard_normal((4, 4, 3, 3)), np.float32)
    assert norms(text, w2=w2) == 0


def test_a_dead_filter_stays_zero_and_its_constant_is_in_the_bias():
    weight = ARRAYS["w"].copy()
    weight[[0, 2]] = 0
    text = f"(float[N, 3, 6, 6] x) => (y) {{ a = Conv(x, w) {BN.replace('y', 'c')} y = Conv(c, u) }}"
    u = np.asarray(rng(6).standard_normal((2, 4, 3, 3)), np.float32)
    after = run_pass(model(text, {**ARRAYS, "w": weight, "u": u}), FoldBatchNorm, RemoveUnits)
    assert dims(after)["w"] == (2, 3, 3, 3)


def test_a_scale_of_zero_kills_the_filter():
    text = (
        "(float[N, 3, 6, 6] x) => (y) { a = Conv(x, w) c = BatchNormalization(a, s, t, m, v) y = Conv(c, u) }"
    )
    arrays = {
        **ARRAYS,
        "s": np.array([0, 1, 0, 1], np.float32),
        "u": np.asarray(rng(6).standard_normal((2, 4, 3, 3)), np.float32),
    }
    assert dims(run_pass(model(text, arrays), FoldBatchNorm, RemoveUnits))["w"] == (2, 3, 3, 3)
    assert dims(
        run_pass(
            model(
                text.replace("Conv(x, w)", "Conv(x, w) r = Relu(a)").replace(
                    "Normalization(a", "Normalization(r"
                ),
                arrays,
            ),
            RemoveUnits,
        )
    )["w"] == (2, 3, 3, 3)


def test_a_variance_below_zero_is_left_alone():
    assert norms(f"a = Conv(x, w) {BN}", v=np.array([-1, 1, 1, 1], np.float32)) == 1


def test_half_precision():
    arrays = {name: array.astype(np.float16) for name, array in ARRAYS.items()}
    after = run_pass(
        model(f"(float16[N, 3, 6, 6] x) => (y) {{ a = Conv(x, w, b) {BN} }}", arrays), FoldBatchNorm
    )
    assert ops(after)["BatchNormalization"] == 0
