"""Networks that once baked wrong, or not at all: each of them the smallest that showed it."""

from __future__ import annotations

import numpy as np

from edgeshrink.pipeline import bake as bake_model
from tests.bake.support import bake, dims, model, ops, rng


def draw(*shape: int, seed: int = 1) -> np.ndarray:
    return rng(seed).standard_normal(shape).astype(np.float32)


def test_units_stay_where_a_length_known_at_run_time_may_be_theirs() -> None:
    v = draw(4, 3)
    v[1] = 0
    network = model(
        """(float[N,8] x, float[N,K] g) => (float[N,3] y) {
            h = MatMul(x, w)
            s = Add(h, g)
            y = MatMul(s, v)
        }""",
        {"w": draw(8, 4), "v": v},
        strict=False,
    )
    as_long, broadcast = ([{"x": draw(4, 8), "g": draw(4, k)}] for k in (4, 1))
    assert dims(bake(network, as_long))["w"] == (8, 4)
    assert dims(bake(network, broadcast))["w"] == (8, 4)


def test_a_product_that_reads_one_axis_under_two_labels_demands_both() -> None:
    u, v = draw(4), draw(4, seed=2)
    u[1] = v[1] = 0
    network = model(
        """(float[5,8] x) => (float y) {
            h = MatMul(x, w)
            t = Transpose<perm=[1,0]>(h)
            g = MatMul(t, h)
            y = Einsum<equation="ij,ki,k,i->">(g, g, v, u)
        }""",
        {"w": draw(8, 4), "u": u, "v": v},
    )
    assert dims(bake(network))["w"] == (8, 4)


def test_values_without_positions_are_no_attention() -> None:
    w = draw(8, 4)
    w[:, 1] = 0
    network = model(
        """(float[1,8] x, float[3,4] s) => (float[3] y) {
            h = MatMul(x, w)
            biased = Add(h, b)
            v = Squeeze(biased, first)
            p = Softmax(s)
            y = MatMul(p, v)
        }""",
        {"w": w, "b": draw(4), "first": np.array([0])},
    )
    bake(network)


def test_directions_with_parameters_of_their_activations_stay_apart() -> None:
    network = model(
        """(float[5,2,3] x) => (float[5,2,2,4] z) {
            f = RNN<hidden_size=4, activations=["LeakyRelu"], activation_alpha=[0.5]>(x, W, R)
            b = RNN<hidden_size=4, direction="reverse", activations=["LeakyRelu"],
                    activation_alpha=[0.5]>(x, V, S)
            y = Concat<axis=1>(f, b)
            z = Tanh(y)
        }""",
        {"W": draw(1, 4, 3), "R": draw(1, 4, 4), "V": draw(1, 4, 3, seed=2), "S": draw(1, 4, 4, seed=2)},
        strict=False,
    )
    assert ops(bake(network))["RNN"] == 2


def test_separate_layers_of_either_direction_are_both_told_of() -> None:
    network = model(
        """(float[5,2,3] x) => (float[5,2,2,4] z) {
            f = RNN<hidden_size=4>(x, W, R)
            b = RNN<hidden_size=4, direction="reverse">(x, V, S)
            y = Concat<axis=1>(f, b)
            z = Tanh(y)
        }""",
        {"W": draw(1, 4, 3), "R": draw(1, 4, 4), "V": draw(1, 4, 3, seed=2), "S": draw(1, 4, 4, seed=2)},
        strict=False,
    )
    assert [(layer.after, layer.reason) for layer in bake_model(network).layers] == [(4, ""), (4, "")]


def test_a_guard_stays_behind_a_layer_whose_bias_is_the_mask() -> None:
    mask = np.zeros((3, 3), np.float32)
    mask[1] = -np.inf
    network = model(
        """(float[3,4] q, float[4,3] k, float[3,2] v) => (float[3,2] y) {
            s = Gemm(q, k, mask)
            p = Softmax<axis=-1>(s)
            n = IsNaN(p)
            g = Where(n, zero, p)
            y = MatMul(g, v)
        }""",
        {"mask": mask, "zero": np.float32(0)},
    )
    assert ops(bake(network))["Where"] == 1


def test_an_add_of_another_domain_holds_no_bias() -> None:
    w, b = draw(8, 4), draw(3)
    w[:, 1] = 0
    network = model(
        """(float[2,8] x) => (float[2,3] y) {
            h = Gemm(x, w, c)
            g = MatMul(h, v)
            y = custom.Add(g, b)
        }""",
        {"w": w, "c": draw(4), "v": draw(4, 3), "b": b},
        strict=False,
    )
    bake_model(network)
    added = network.graph.outputs[0].producer().inputs[1]
    np.testing.assert_array_equal(added.const_value.numpy(), b)


def test_what_the_last_bit_may_decide_is_not_merged() -> None:
    w = np.array([[1, np.nextafter(np.float32(1), np.float32(2))]], np.float32)
    network = model(
        """(float[N,1] x) => (float[N,1] y) {
            h = MatMul(x, w)
            t = ThresholdedRelu<alpha=1.0>(h)
            y = MatMul(t, v)
        }""",
        {"w": w, "v": np.ones((2, 1), np.float32)},
    )
    at_the_threshold = [{"x": np.ones((1, 1), np.float32)}]
    bake(network, at_the_threshold)


def test_a_batch_norm_that_would_leave_the_range_of_the_weight_stays() -> None:
    network = model(
        """(float[N,2] x) => (float[N,3] y) {
            h = Gemm<transB=1>(x, w)
            y = BatchNormalization(h, s, b, m, v)
        }""",
        {
            "w": np.full((3, 2), 1e30, np.float32),
            "s": np.full(3, 1e10, np.float32),
            "b": draw(3),
            "m": np.zeros(3, np.float32),
            "v": np.ones(3, np.float32),
        },
    )
    tiny = [{"x": (draw(4, 2) * 1e-36).astype(np.float32)}]
    assert ops(bake(network, tiny))["BatchNormalization"] == 1


def test_layers_without_units_are_left_alone() -> None:
    network = model(
        """(float[2,8] x) => (float[2,3] y, float[2,3] z) {
            h = MatMul(x, w)
            y = MatMul(h, v)
            g = Gemm(x, w, b)
            z = Gemm(g, v, c)
        }""",
        {"w": draw(8, 0), "v": draw(0, 3), "b": draw(0), "c": draw(3)},
    )
    bake(network)


def test_filters_whose_squares_leave_float64_are_compared_in_silence() -> None:
    w = rng().standard_normal((8, 4)) * 1e200
    w[:, 2] = w[:, 0]
    network = model(
        "(double[N,8] x) => (double[N,3] y) { h = MatMul(x, w)\n t = Relu(h)\n y = MatMul(t, v) }",
        {"w": w, "v": rng(1).standard_normal((4, 3))},
    )
    bake(network)


def test_an_output_keeps_the_names_of_its_lengths() -> None:
    network = model(
        "(float[N,3] x) => (float[K,4] y) { h = MatMul(x, w)\n y = Identity(h) }", {"w": draw(3, 4)}
    )
    baked = bake(network)
    assert ops(baked)["Identity"] == 0
    assert baked.graph.outputs[0].shape == network.graph.outputs[0].shape


def test_a_split_behind_a_mean_whose_positions_became_fewer() -> None:
    network = model(
        """(float[N,3] x) => (float[N,1] y) {
            h = MatMul(x, w)
            s = Constant <value = int64[3] {1, 1, 3}>()
            u = Unsqueeze(h, last)
            e = Expand(u, s)
            m = ReduceMean <keepdims = 0> (e, last)
            p, q = Split <axis = 1> (m, sizes)
            y = MatMul(p, v)
        }""",
        {
            "w": draw(3, 6),
            "last": np.array([2]),
            "sizes": np.array([1, 5]),
            "v": np.zeros((1, 1), np.float32),  # so that nobody demands the copies
        },
    )
    baked = bake(network)
    assert baked.graph.initializers["w"].shape == (3, 2)  # each part keeps one
