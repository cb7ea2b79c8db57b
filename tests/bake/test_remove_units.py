"""RemoveUnits: dead, constant and unread units leave, and every output stays what it was."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest

from edgeshrink.bake.drop_constant_branches import DropConstantBranches
from edgeshrink.bake.remove_units import RemoveUnits
from tests.bake.support import assert_equal, bake, dims, model, ops, rng, run_pass


def weights(*shape: int, dead: tuple[int, ...] = (), seed: int = 1) -> np.ndarray:
    array = rng(seed).standard_normal(shape).astype(np.float32)
    array[list(dead)] = 0
    return array


def vector(*numbers: float) -> np.ndarray:
    return np.array(numbers, np.float32)


CHAIN = {"w1": weights(4, 3, 3, 3, dead=(1, 2)), "b1": vector(1, 2, -3, 4), "w2": weights(5, 4, 3, 3, seed=2)}


def test_dead_units_leave_both_layers_and_their_constants_go_into_the_bias():
    after = run_pass(
        model(
            "(float[N, 3, 8, 8] x) => (float[N, 5, 6, 6] y)"
            "{ a = Conv<pads = [1, 1, 1, 1]>(x, w1, b1) r = Relu(a) y = Conv(r, w2) }",
            CHAIN,
        ),
        RemoveUnits,
    )
    assert dims(after) == {"w1": (2, 3, 3, 3), "b1": (2,), "w2": (5, 2, 3, 3), "w2.bias": (5,)}


def test_behind_zero_padding_one_carrier_stays_for_all_constants():
    after = run_pass(
        model(
            "(float[N, 3, 8, 8] x) => (float[N, 5, 8, 8] y)"
            "{ a = Conv<pads = [1, 1, 1, 1]>(x, w1, b1) y = Conv<pads = [1, 1, 1, 1]>(a, w2) }",
            CHAIN,
        ),
        RemoveUnits,
    )
    assert dims(after)["w2"] == (5, 3, 3, 3)
    np.testing.assert_array_equal(after.graph.initializers["b1"].const_value.numpy(), [1, -3, 4])


def test_one_carrier_serves_two_padded_readers_with_other_constants_each():
    arrays = {
        "w1": weights(6, 3, 1, 1, dead=(1, 2, 3)),
        "b1": vector(1, 2, 2.5, 1.5, 4, 5),
        "w2": weights(2, 6, 3, 3, seed=2),
        "w3": weights(3, 6, 5, 3, seed=3),
    }
    after = run_pass(
        model(
            """(float[N, 3, 8, 8] x) => (float[N, 2, 8, 8] y, float[N, 3, 6, 8] z) {
            a = Conv(x, w1, b1) s = Sigmoid(a) e = Elu(a)
            y = Conv<pads = [1, 1, 1, 1]>(s, w2) z = Conv<pads = [1, 1, 1, 1]>(e, w3) }""",
            arrays,
        ),
        RemoveUnits,
    )
    assert dims(after)["w1"] == (4, 3, 1, 1)


def test_a_unit_that_stays_but_is_too_weak_is_not_taken_for_carrier():
    w3 = weights(1, 4, 1, 1, seed=3)
    w3[:, 1:] = 0
    arrays = {
        "w1": weights(4, 3, 1, 1, dead=(0, 1)),
        "b1": vector(1e-30, 1, 0, 0),
        "w2": weights(2, 4, 3, 3, seed=2),
        "wg": weights(4, 3, 1, 1, seed=4),
        "w3": w3,
    }
    after = run_pass(  # z needs unit 0, whose constant of 1e-30 its gate makes vary
        model(
            """(float[N, 3, 8, 8] x) => (float[N, 2, 8, 8] y, float[N, 1, 8, 8] z) {
            a = Conv(x, w1, b1) y = Conv<pads = [1, 1, 1, 1]>(a, w2)
            g = Conv(x, wg) m = Mul(a, g) z = Conv(m, w3) }""",
            arrays,
        ),
        RemoveUnits,
    )
    assert np.abs(after.graph.initializers["w2"].const_value.numpy()).max() < 10


def test_a_weak_constant_that_leaves_is_carried_by_the_strong_one():
    arrays = {
        "w1": weights(4, 3, 1, 1, dead=(0, 1)),
        "b1": vector(1e-30, 1, 0, 0),
        "w2": weights(2, 4, 3, 3, seed=2),
    }
    after = run_pass(
        model(
            "(float[N, 3, 8, 8] x) => (float[N, 2, 8, 8] y)"
            "{ a = Conv(x, w1, b1) y = Conv<pads = [1, 1, 1, 1]>(a, w2) }",
            arrays,
        ),
        RemoveUnits,
    )
    np.testing.assert_array_equal(after.graph.initializers["b1"].const_value.numpy(), [1, 0, 0])


@pytest.mark.parametrize("pads", [(0, 0, 0, 0), (1, 1, 1, 1), (2, 0, 0, 1)])
@pytest.mark.parametrize(
    "op", ["Relu", "Sigmoid", "Clip", "HardSwish", "LeakyRelu", "Neg", "Softplus", "Erf", "Gelu"]
)
def test_constants_through_activations(op: str, pads: tuple[int, ...]):
    clip = {"low": np.float32(-1), "high": np.float32(1.5)} if op == "Clip" else {}
    args = ", ".join(["a", *clip])
    text = (
        "(float[N, 3, 8, 8] x) => (y)"
        f"{{ a = Conv<pads = [1, 1, 1, 1]>(x, w1, b1) r = {op}({args}) y = Conv<pads = "
        f"{list(pads)}>(r, w2) }}"
    )
    opset = 20 if op == "Gelu" else 18
    after = run_pass(model(text, {**CHAIN, **clip}, opset), RemoveUnits)
    assert dims(after)["w1"][0] < 4


def test_a_graph_output_keeps_all_its_units():
    before = model(
        "(float[N, 3, 8, 8] x) => (float[N, 4, 8, 8] a, float[N, 5, 6, 6] y)"
        "{ a = Conv<pads = [1, 1, 1, 1]>(x, w1, b1) y = Conv(a, w2) }",
        CHAIN,
    )
    assert dims(run_pass(before, RemoveUnits)) == dims(before)


def test_units_nobody_reads_leave_the_layer_that_writes_them():
    w2 = weights(5, 4)
    w2[:, [0, 3]] = 0
    after = run_pass(
        model(
            "(float[N, 3] x) => (float[N, 5] y) { a = Gemm<transB = 1>(x, w1, b1) t = "
            "Tanh(a) y = Gemm<transB = 1>(t, w2) }",
            {"w1": weights(4, 3), "b1": vector(1, 2, 3, 4), "w2": w2},
        ),
        RemoveUnits,
    )
    assert dims(after) == {"w1": (2, 3), "b1": (2,), "w2": (5, 2)}


@pytest.mark.parametrize("adds", ["", "s = Add(y0, b2) ", "s = Add(b2, y0) "])
@pytest.mark.parametrize("rank", [2, 3])
def test_a_matmul_absorbs_constants_in_the_add_behind_it(rank: int, adds: str):
    lead = "N" if rank == 2 else "N, 6"
    text = (
        f"(float[{lead}, 3] x) => (float[{lead}, 2] y) {{ a = MatMul(x, w1) c = Add(a, "
        f"b1) y0 = MatMul(c, w2) {adds} r = Relu({'s' if adds else 'y0'}) y = MatMul(r, "
        f"w3) }}"
    )
    arrays = {
        "w1": weights(4, 3, dead=(0, 1)).T,
        "b1": vector(1, 2, 3, 4),
        "w2": weights(5, 4, dead=(3,)).T,
        "b2": vector(1, 2, 3, 4, 5),
        "w3": weights(5, 2),
    }
    after = run_pass(model(text, arrays), RemoveUnits)
    assert dims(after)["w1"] == (3, 2)
    assert dims(after)["w2"] == (2, 4)
    assert ops(after)["Add"] == (3 if adds else 2)  # at most one for each MatMul


def test_a_matmul_that_is_a_graph_output_keeps_its_name():
    after = run_pass(
        model(
            "(float[N, 3] x) => (float[N, 5] y) { a = MatMul(x, w1) c = Add(a, b1) y = MatMul(c, w2) }",
            {"w1": weights(4, 3, dead=(0, 1)).T, "b1": vector(1, 2, 3, 4), "w2": weights(4, 5)},
        ),
        RemoveUnits,
    )
    assert [value.name for value in after.graph.outputs] == ["y"]


def test_a_layer_without_bias_whose_rows_and_columns_leave_at_once():
    w2 = weights(4, 4, dead=(0, 2), seed=2)
    after = run_pass(
        model(
            "(float[N, 3] x) => (float[N, 2] y) { a = Gemm<transB = 1>(x, w1, b1) c = "
            "Gemm<transB = 1>(a, w2) y = Gemm<transB = 1>(c, w3) }",
            {"w1": weights(4, 3, dead=(0,)), "b1": vector(1, 2, 3, 4), "w2": w2, "w3": weights(2, 4, seed=3)},
        ),
        RemoveUnits,
    )
    assert {k: v for k, v in dims(after).items() if k in ("w1", "w2", "w3")} == {
        "w1": (3, 3),
        "w2": (2, 3),
        "w3": (2, 2),
    }


@pytest.mark.parametrize(
    "attributes", ["transB = 1", "alpha = 0.5", "alpha = 0.5, beta = 2.0", "beta = 0.5, transB = 1"]
)
@pytest.mark.parametrize(
    "bias", [None, np.float32(2), vector(2), weights(5), weights(1, 5), weights(4, 5), weights(4, 1)]
)
def test_gemm_in_all_its_forms(attributes: str, bias: np.ndarray | None):
    shape = (lambda *s: weights(*s)) if "transB" in attributes else (lambda *s: weights(*s).T)
    w1 = weights(4, 3, dead=(0, 2))
    arrays = {"w1": w1, "b1": vector(1, 2, 3, 4), "w2": shape(5, 4), "w3": weights(2, 5)}
    if bias is not None:
        arrays["b2"] = bias
    inputs = "a, w2" if bias is None else "a, w2, b2"
    before = model(
        f"(float[4, 3] x) => (float[4, 2] y) {{ a = Gemm<transB = 1>(x, w1, b1) c = "
        f"Gemm<{attributes}>({inputs}) y = Gemm<transB = 1>(c, w3) }}",
        arrays,
    )
    run_pass(before, RemoveUnits)


def test_gemm_with_a_transposed_input_is_left_alone():
    before = model(
        "(float[3, 3] x) => (float[4, 2] y) { a = Gemm<transB = 1>(x, w1, b1) y = Gemm<transA = 1>(a, w2) }",
        {"w1": weights(4, 3, dead=(0, 2)), "b1": vector(1, 2, 3, 4), "w2": weights(3, 2)},
    )
    assert dims(run_pass(before, RemoveUnits)) == dims(before)


SIAMESE = """(float[N, 3, 6, 6] x, float[N, 3, 6, 6] z) => (float[N, 2, M, M] y, float[N, 2, M, M] u) {
    a = Conv(x, w1, b1) c = Conv(z, w1, b1) y = Conv<pads = [PADS]>(a, w2, b2)
    u = Conv<pads = [PADS]>(c, w2, b2) }"""


@pytest.mark.parametrize(("pads", "left"), [("0, 0, 0, 0", 2), ("1, 1, 1, 1", 4)])
def test_layers_that_share_weights_change_together(pads: str, left: int):
    arrays = {
        "w1": weights(4, 3, 1, 1, dead=(0, 2)),
        "b1": vector(1, 2, 3, 4),
        "w2": weights(2, 4, 3, 3),
        "b2": vector(5, 6),
    }
    text = SIAMESE.replace("PADS", pads).replace("M", "6" if "1" in pads else "4")
    after = run_pass(model(text, arrays), RemoveUnits)
    assert dims(after)["w1"][0] == left


def test_shared_weights_whose_inputs_hold_other_constants():
    arrays = {
        "w1": weights(4, 3, 1, 1, dead=(0, 2)),
        "w2": weights(4, 3, 1, 1, dead=(0, 1)),
        "b1": vector(1, 2, 3, 4),
        "b2": vector(-1, 7, 3, 4),
        "w": weights(5, 4, 3, 3),
    }
    after = run_pass(
        model(
            """(float[N, 3, 6, 6] x) => (float[N, 5, 4, 4] y, float[N, 5, 4, 4] z) {
            a = Conv(x, w1, b1) c = Conv(x, w2, b2) y = Conv(a, w) z = Conv(c, w) }""",
            arrays,
        ),
        RemoveUnits,
    )
    assert dims(after)["w"] == (5, 3, 3, 3)


def test_a_bias_shared_by_unrelated_layers_does_not_tie_them():
    arrays = {
        "w1": weights(4, 3, dead=(0,)),
        "w2": weights(4, 4, dead=(1, 2)),
        "w3": weights(2, 4),
        "b": vector(1, 2, 3, 4),
    }
    after = run_pass(
        model(
            """(float[N, 3] x) => (float[N, 2] y) {
            a = Gemm<transB = 1>(x, w1, b) c = Gemm<transB = 1>(a, w2, b) y = Gemm<transB = 1>(c, w3) }""",
            arrays,
        ),
        RemoveUnits,
    )
    assert {k: v for k, v in dims(after).items() if k[0] == "w" and "bias" not in k} == {
        "w1": (3, 3),
        "w2": (2, 3),
        "w3": (2, 2),
    }


@pytest.mark.parametrize("extra", ["w1", "b1", "w2", "b2"])
def test_an_initializer_that_is_a_graph_output_keeps_shape_and_numbers(extra: str):
    arrays = {
        "w1": weights(4, 3, 3, 3, dead=(0, 2)),
        "b1": vector(1, 2, 3, 4),
        "w2": weights(2, 4, 3, 3),
        "b2": vector(5, 6),
    }
    for pads in ("[1, 1, 1, 1]", "[0, 0, 0, 0]"):
        before = model(
            f"(float[N, 3, 6, 6] x) => (y) {{ a = Conv(x, w1, b1) r = Relu(a) y = Conv<pads "
            f"= {pads}>(r, w2, b2) }}",
            arrays,
        )
        before.graph.outputs.append(before.graph.initializers[extra])
        bake(before)


@pytest.mark.parametrize("given", ["w1", "b1", "w2", "b2", "slope"])
def test_an_initializer_that_callers_may_override_is_no_constant(given: str):
    arrays = {
        "w1": weights(4, 3, dead=(0, 2)),
        "b1": vector(1, 2, 3, 4),
        "w2": weights(2, 4),
        "b2": vector(5, 6),
        "slope": vector(0, 0, 1, 1),
    }
    before = model(
        """(float[N, 3] x) => (float[N, 2] y) {
        a = Gemm<transB = 1>(x, w1, b1) r = Mul(a, slope) y = Gemm<transB = 1>(r, w2, b2) }""",
        arrays,
    )
    before.graph.inputs.append(before.graph.initializers[given])
    other = weights(*arrays[given].shape, seed=9)
    feeds = [{"x": weights(3, 3, seed=i), given: other} for i in range(8)]
    feeds += [{"x": weights(3, 3, seed=i), given: arrays[given]} for i in range(8)]
    bake(before, feeds)


def test_all_units_dead_leaves_one():
    arrays = {"w1": np.zeros((4, 3, 3, 3), np.float32), "b1": vector(0, 0, 0, 0), "w2": weights(5, 4, 3, 3)}
    after = run_pass(
        model(
            "(float[N, 3, 8, 8] x) => (float[N, 5, 4, 4] y) { a = Conv(x, w1, b1) y = Conv(a, w2) }", arrays
        ),
        RemoveUnits,
    )
    assert dims(after)["w1"] == (1, 3, 3, 3)


def test_a_network_that_is_constant_as_a_whole():
    arrays = {
        "w1": weights(4, 3, dead=(0, 1, 2, 3)),
        "b1": vector(1, 2, 3, 4),
        "w2": weights(2, 4),
        "b2": vector(1, 2),
    }
    bake(
        model(
            "(float[N, 3] x) => (float[N, 2] y) { a = Gemm<transB = 1>(x, w1, b1) r = "
            "Relu(a) y = Gemm<transB = 1>(r, w2, b2) }",
            arrays,
        )
    )


def test_one_channel_everywhere():
    arrays = {
        "w1": weights(1, 1, 3, 3),
        "b1": vector(1),
        "w2": np.zeros((1, 1, 3, 3), np.float32),
        "b2": vector(2),
        "w3": weights(1, 1, 3, 3),
    }
    bake(
        model(
            """(float[N, 1, 8, 8] x) => (float[N, 1, 8, 8] y) { a = Conv<pads = [1,1,1,1]>(x, w1, b1)
            b = Conv<pads = [1,1,1,1]>(a, w2, b2) y = Conv<pads = [1,1,1,1]>(b, w3) }""",
            arrays,
        )
    )


@pytest.mark.parametrize("spatial", [1, 2, 3])
def test_convolutions_over_one_two_and_three_axes(spatial: int):
    size = ", ".join(["7"] * spatial)
    arrays = {
        "w1": weights(4, 3, *[3] * spatial, dead=(0, 2)),
        "b1": vector(1, 2, 3, 4),
        "w2": weights(2, 4, *[3] * spatial),
    }
    pads = [1] * (2 * spatial)
    before = model(
        f"(float[N, 3, {size}] x) => (y) {{ a = Conv<pads = {pads}>(x, w1, b1) r = "
        f"Relu(a) y = Conv<pads = {pads}, strides = {[2] * spatial}>(r, w2) }}",
        arrays,
    )
    assert dims(bake(before))["w1"][0] == 3


@pytest.mark.parametrize("auto_pad", ["SAME_UPPER", "SAME_LOWER", "VALID"])
def test_automatic_padding(auto_pad: str):
    text = f'(float[N, 3, 8, 8] x) => (y) {{ a = Conv(x, w1, b1) y = Conv<auto_pad = "{auto_pad}">(a, w2) }}'
    after = bake(model(text, CHAIN))
    assert dims(after)["w1"][0] == (2 if auto_pad == "VALID" else 3)


def test_depthwise_shrinks_with_what_it_filters():
    arrays = {
        "w1": weights(4, 3, 1, 1, dead=(0, 2)),
        "b1": vector(1, 2, 3, 4),
        "w2": weights(4, 1, 3, 3),
        "b2": vector(1, 2, 3, 4),
        "w3": weights(2, 4, 1, 1),
    }
    text = """(float[N, 3, 8, 8] x) => (y) {
        a = Conv(x, w1, b1) d = Conv<group = 4, pads = [PADS]>(a, w2, b2) r = Relu(d) y = Conv(r, w3) }"""
    free = bake(model(text.replace("PADS", "0, 0, 0, 0"), arrays))
    assert dims(free)["w2"] == (2, 1, 3, 3)
    assert [n.attributes.get_int("group", 1) for n in free.graph if n.op_type == "Conv"] == [1, 2, 1]
    padded = bake(model(text.replace("PADS", "1, 1, 1, 1"), arrays))
    assert dims(padded)["w2"] == (4, 1, 3, 3)  # behind the padding a constant is a border map


def test_depthwise_behind_a_carrier_and_before_one():
    arrays = {
        "w1": weights(5, 3, 1, 1, dead=(0, 2)),
        "b1": vector(0, 2, 0, 4, 5),
        "w2": weights(5, 1, 3, 3, dead=(1,)),
        "b2": vector(1, 2, 3, 4, 5),
        "w3": weights(2, 5, 3, 3),
    }
    after = bake(
        model(
            """(float[N, 3, 8, 8] x) => (y) { a = Conv(x, w1, b1)
            d = Conv<group = 5, pads = [1, 1, 1, 1]>(a, w2, b2) r = Relu(d)
            y = Conv<pads = [1, 1, 1, 1]>(r, w3) }""",
            arrays,
        )
    )
    assert dims(after)["w2"] == (3, 1, 3, 3)


@pytest.mark.parametrize("text", [
    "d = custom.Mystery(a) y = Conv(d, w3)",
    "d = Softmax<axis = 1>(a) y = Conv(d, w3)",
    "d = ReduceMax<keepdims = 1>(a, one) y = Conv(d, w1c)",
    "d = LRN<size = 3>(a) y = Conv(d, w3)",
    "d = DepthToSpace<blocksize = 2>(a) y = Conv(d, w1c)",
])  # fmt: skip
def test_what_mixes_channels_or_is_not_known_pins_them(text: str):
    arrays = {
        "w1": weights(4, 3, 1, 1, dead=(0, 2)),
        "b1": vector(1, 2, 3, 4),
        "w2": weights(4, 2, 1, 1),
        "w3": weights(2, 4, 1, 1),
        "w1c": weights(2, 1, 1, 1),
        "w2c": weights(2, 2, 1, 1),
        "one": np.array([1]),
    }
    before = model(
        f"(float[N, 3, 8, 8] x) => (float[N, 2, H, W] y) {{ a = Conv(x, w1, b1) {text} }}",
        arrays,
        strict=False,
    )
    after = before.clone()
    RemoveUnits()(after)
    assert dims(after)["w1"] == (4, 3, 1, 1)
    if "custom" not in text:
        assert_equal(before, after)


def test_squeeze_and_excite_kills_what_its_gate_closes():
    arrays = {
        "w1": weights(4, 3, 1, 1, dead=(0,)),
        "b1": vector(0, 2, 3, 4),
        "w2": weights(4, 4, 1, 1, dead=(1,)),
        "b2": vector(1, -2, 3, 4),
        "w3": weights(2, 4, 3, 3),
    }
    after = bake(
        model(
            """(float[N, 3, 8, 8] x) => (y) { a = Conv(x, w1, b1) g = GlobalAveragePool(a)
            e = Conv(g, w2, b2) s = Relu(e) m = Mul(a, s) y = Conv<pads = [1, 1, 1, 1]>(m, w3) }""",
            arrays,
        )
    )
    assert dims(after)["w1"][0] == 3  # unit 0 is 0 times its gate; unit 1 is times 0, but feeds the gates
    assert dims(after)["w3"] == (2, 3, 3, 3)


@pytest.mark.parametrize(("text", "columns"), [
    ("f = Flatten<axis = 1>(a) y = Gemm(f, w2)", 2 * 16),
    ("f = Reshape(a, flat) y = Gemm(f, w2)", 2 * 16),
    ("f = Reshape(a, copy) y = Gemm(f, w2)", 2 * 16),
    ("t = Transpose<perm = [0, 2, 3, 1]>(a) f = Flatten(t) y = Gemm(f, w2)", 2 * 16),
    ("t = Transpose<perm = [0, 2, 3, 1]>(a) f = Reshape(t, back) y = Gemm(f, w2)", 2 * 16),
    ("p = GlobalAveragePool(a) s = Squeeze(p, axes) y = Gemm(s, w3)", 2),
    ("p = ReduceMean<keepdims = 0>(a, axes) y = Gemm(p, w3)", 2),
    ("p = ReduceMean<keepdims = 0>(a, axes) u = Unsqueeze(p, axes) f = Flatten(u) y = Gemm(f, w3)", 2),
])  # fmt: skip
def test_from_channels_to_linear_layers(text: str, columns: int):
    arrays = {
        "w1": weights(4, 3, 3, 3, dead=(0, 2)),
        "b1": vector(1, 2, 3, 4),
        "w2": weights(64, 2),
        "w3": weights(4, 2),
        "flat": np.array([-1, 64]),
        "copy": np.array([0, -1]),
        "back": np.array([-1, 64]),
        "axes": np.array([2, 3]),
    }
    for batch in ("N", "2"):
        text_ = f"(float[{batch}, 3, 6, 6] x) => (float[{batch}, 2] y) {{ a = Conv(x, w1, b1) {text} }}"
        after = bake(model(text_, arrays))
        (gemm,) = (node for node in after.graph if node.op_type == "Gemm")
        assert gemm.inputs[1].shape[0] == columns


def test_a_squeeze_that_names_no_axes_is_not_fooled_by_a_single_channel():
    arrays = {"w1": weights(3, 3, 1, 1, dead=(0, 2)), "b1": vector(1, 2, 3), "w2": weights(3, 2)}
    bake(
        model(
            "(float[2, 3, 6, 6] x) => (float[2, 2] y) { a = Conv(x, w1, b1) p = "
            "GlobalAveragePool(a) s = Squeeze(p) y = MatMul(s, w2) }",
            arrays,
        )
    )


def test_a_reshape_shape_shared_by_two_reshapes():
    arrays = {
        "w1": weights(4, 3, 1, 1, dead=(0, 2)),
        "w2": weights(4, 3, 1, 1, dead=(1, 2)),
        "b1": vector(1, 2, 3, 4),
        "w3": weights(16, 2),
        "flat": np.array([-1, 16]),
    }
    after = bake(
        model(
            """(float[N, 3, 2, 2] x) => (float[N, 2] y, float[N, 2] z) {
            a = Conv(x, w1, b1) c = Conv(x, w2, b1) f = Reshape(a, flat)
            g = Reshape(c, flat) y = Gemm(f, w3) h = Relu(g) z = Gemm(h, w3) }""",
            arrays,
        )
    )
    assert dims(after)["w3"] == (12, 2)  # one weight for both: only what is constant on both sides leaves


def test_unknown_lengths_are_never_taken_for_equal():
    arrays = {
        "w1": weights(4, 3, 1, 1, dead=(0, 2)),
        "b1": vector(1, 2, 3, 4),
        "shape": np.array([-1, 4, 8]),
        "w2": weights(8, 2),
    }
    before = model(
        "(float[N, 3, H, W] x) => (float[P, 4, 2] y) { a = Conv(x, w1, b1) r = "
        "Reshape(a, shape) y = MatMul(r, w2) }",
        arrays,
    )
    for node in before.graph:
        if node.op_type in ("Conv", "Reshape"):
            node.outputs[0].shape = ir.Shape(
                [None if not isinstance(d, int) else d for d in node.outputs[0].shape]
            )
    after = before.clone()
    RemoveUnits()(after)
    assert_equal(before, after, [{"x": weights(2, 3, 4, 4, seed=i)} for i in range(4)])


@pytest.mark.parametrize("text", [
    "c = Concat<axis = 1>(a, a) y = Conv(c, w8)",
    "c = Concat<axis = -3>(a, x4) y = Conv(c, w8)",
    "c = Concat<axis = 1>(const, a) y = Conv<pads = [1, 1, 1, 1]>(c, w8)",
    "r = Relu(a) c = Concat<axis = 1>(r, a) y = Conv<pads = [0, 1, 1, 0]>(c, w8)",
])  # fmt: skip
def test_concat_of_dead_pinned_constant_and_repeated_parts(text: str):
    arrays = {
        "w1": weights(4, 3, 1, 1, dead=(0, 2)),
        "b1": vector(1, 2, 3, 4),
        "w8": weights(2, 8, 2, 2),
        "const": weights(2, 4, 6, 6),
    }
    after = bake(
        model(f"(float[2, 3, 6, 6] x, float[2, 4, 6, 6] x4) => (y) {{ a = Conv(x, w1, b1) {text} }}", arrays)
    )
    assert dims(after)["w8"][1] < 8


def test_channels_last_linear_layers():
    arrays = {
        "w1": weights(4, 3, 1, 1, dead=(0, 2)),
        "b1": vector(1, 2, 3, 4),
        "w2": weights(4, 5),
        "w3": weights(2, 5, 3, 3),
    }
    arrays["w2"][:, 1] = 0
    after = bake(
        model(
            """(float[N, 3, 6, 6] x) => (y) { a = Conv(x, w1, b1) t = Transpose<perm = [0, 2, 3, 1]>(a)
            m = MatMul(t, w2) u = Transpose<perm = [0, 3, 1, 2]>(m) y = Conv<pads = [1, 1, 1, 1]>(u, w3) }""",
            arrays,
        )
    )
    assert dims(after)["w2"] == (2, 4)  # and unit 1 of the next, which is 0


@pytest.mark.parametrize(("tail", "kept"), [
    ("f = Flatten(m) y = Gemm(f, w3)", (2, 5)),  # a product of two spaces: the outer can be cut out of it
    ("u = Conv(m, w4) y = Relu(u)", (2, 5)),
    ("t = Transpose<perm = [0, 3, 2, 1]>(m) u = Conv(t, w5) y = Relu(u)", (4, 3)),
])  # fmt: skip
def test_a_value_with_units_on_two_axes(tail: str, kept: tuple[int, int]):
    columns = weights(6, 5)
    columns[:, [1, 2]] = 0
    arrays = {
        "w1": weights(4, 3, 1, 1, dead=(0, 2)),
        "b1": vector(0, 2, 0, 4),  # zero: other numbers would be summed to another for each column
        "w2": columns,
        "w3": weights(120, 2),
        "w4": weights(2, 4, 1, 1),
        "w5": weights(2, 5, 1, 1),
    }
    after = run_pass(
        model(f"(float[N, 3, 6, 6] x) => (y) {{ a = Conv(x, w1, b1) m = MatMul(a, w2) {tail} }}", arrays),
        RemoveUnits,
    )
    assert (dims(after)["w1"][0], dims(after)["w2"][1]) == kept


def test_products_with_zero_and_squares():
    arrays = {
        "w1": weights(4, 3, 1, 1, dead=(0,)),
        "b1": vector(3, 2, 3, 4),
        "mask": np.array([1, 0, 1, 1], np.float32).reshape(4, 1, 1),
        "w2": weights(2, 4, 3, 3),
    }
    after = bake(
        model(
            """(float[N, 3, 6, 6] x) => (y) { a = Conv(x, w1, b1) m = Mul(mask, a) s = Mul(m, m)
            y = Conv(s, w2) }""",
            arrays,
        )
    )
    assert dims(after)["w1"][0] == 2


@pytest.mark.parametrize("op", ["Sub", "Div", "Max", "Min", "Pow"])
def test_a_constant_on_either_side(op: str):
    arrays = {
        "w1": weights(4, 3, dead=(0, 2)),
        "b1": vector(1, 2, 3, 4),
        "c": vector(2, 3, 1, 2),
        "w2": weights(4, 2),
    }
    for args in ("c, s", "s, c"):
        after = bake(
            model(
                f"(float[N, 3] x) => (y) {{ a = Gemm<transB = 1>(x, w1, b1) s = Sigmoid(a) d = "
                f"{op}({args}) y = Gemm(d, w2) }}",
                arrays,
            )
        )
        assert dims(after)["w1"] == (2, 3)


def test_values_that_a_subgraph_reads_stay():
    before = model(
        """(float[N, 3] x, bool c) => (float[N, 2] y) { a = Gemm<transB = 1>(x, w1, b1) r = Relu(a)
        z = If(c) <then_branch = t () => (o) { o = Identity(r) }, else_branch = e () => (p) { p = Neg(r) }>
        y = Gemm(z, w2) }""",
        {"w1": weights(4, 3, dead=(0, 2)), "b1": vector(1, 2, 3, 4), "w2": weights(4, 2)},
    )
    feeds = [{"x": weights(3, 3, seed=i), "c": np.array(i % 2 == 0)} for i in range(8)]
    assert dims(bake(before, feeds))["w1"] == (4, 3)


def test_a_weight_that_a_subgraph_reads_stays():
    before = model(
        """(float[N, 3] x, bool c) => (float[N, 2] y, float[A, B] z) { a = Gemm<transB = 1>(x, w1, b1)
        z = If(c) <then_branch = t () => (o) { o = Identity(w2) }, else_branch = e () => (p) { p = Neg(w2) }>
        y = Gemm(a, w2) }""",
        {"w1": weights(4, 3, dead=(0, 2)), "b1": vector(1, 2, 3, 4), "w2": weights(4, 2)},
    )
    feeds = [{"x": weights(3, 3, seed=i), "c": np.array(i % 2 == 0)} for i in range(8)]
    assert dims(run_pass(before, RemoveUnits, feeds=feeds))["w2"] == (4, 2)


@pytest.mark.parametrize(
    "reader",
    [
        "t = Reshape(w1, flat)",
        "t = custom.Read(w1)",
        "t = Transpose(w1)",
        "t = GatherElements(w1, ids)",
        "t = Neg(w1)",
    ],
)
@pytest.mark.parametrize("first", [True, False])
def test_a_weight_that_others_read_too(reader: str, first: bool):
    layers = "a = Gemm<transB = 1>(x, w1, b1) y = Gemm(a, w2)"
    body = f"{reader} {layers}" if first else f"{layers} {reader}"
    before = model(
        f"(float[N, 3] x) => (float[N, 2] y, t) {{ {body} }}",
        {
            "w1": weights(4, 3, dead=(0, 2)),
            "b1": vector(1, 2, 3, 4),
            "w2": weights(4, 2),
            "flat": np.array([12]),
            "ids": np.array([[0, 3, 0]]),
        },
        strict=False,
    )
    after = before.clone()
    RemoveUnits()(after)
    assert dims(after)["w1"] == (4, 3)


def test_missing_shapes_are_safe():
    before = model(
        "(float[N, 3, 8, 8] x) => (float[N, 5, 6, 6] y) { a = Conv<pads = [1, 1, 1, "
        "1]>(x, w1, b1) r = Relu(a) y = Conv(r, w2) }",
        CHAIN,
        shapes=False,
    )
    assert dims(run_pass(before, RemoveUnits)) == dims(before)


def test_shapes_on_record_that_contradict_the_weights_are_safe():
    before = model(
        "(float[N, 3, 8, 8] x) => (float[N, 5, 6, 6] y) { a = Conv<pads = [1, 1, 1, "
        "1]>(x, w1, b1) r = Relu(a) y = Conv(r, w2) }",
        CHAIN,
    )
    next(iter(before.graph)).outputs[0].shape = ir.Shape(["N", 7, 8, 8])
    after = before.clone()
    RemoveUnits()(after)
    assert dims(after)["w1"] == (4, 3, 3, 3)


@pytest.mark.parametrize("number", [np.nan, np.inf])
@pytest.mark.parametrize("where", ["w1", "w2", "b1"])
def test_weights_that_are_not_finite_spread_as_before(number: float, where: str):
    arrays = {name: array.copy() for name, array in CHAIN.items()}
    arrays["b1"] = vector(0, 2, 0, 4)
    arrays[where].reshape(-1)[0 if where != "w2" else 9] = number
    bake(
        model(
            "(float[N, 3, 8, 8] x) => (y) { a = Conv(x, w1, b1) y = Conv<pads = [1, 1, 1, 1]>(a, w2) }",
            arrays,
        )
    )


def test_double_precision():
    arrays = {"w1": weights(4, 3, dead=(0, 2)), "b1": vector(1, 2, 3, 4), "w2": weights(4, 2)}
    arrays = {name: array.astype(np.float64) for name, array in arrays.items()}
    text = (
        "(double[N, 3] x) => (double[N, 2] y) { a = Gemm<transB = 1>(x, w1, b1) r = Relu(a) y = Gemm(r, w2) }"
    )
    after = bake(model(text, arrays))
    assert dims(after)["w1"] == (2, 3)
    assert {value.dtype for value in after.graph.initializers.values()} == {ir.DataType.DOUBLE}


def test_half_precision():
    arrays = {name: array.astype(np.float16) for name, array in CHAIN.items()}
    after = bake(
        model(
            """(float16[N, 3, 8, 8] x) => (float16[N, 5, 8, 8] y) { a = Conv<pads = [1, 1, 1, 1]>(x, w1, b1)
            r = Sigmoid(a) y = Conv<pads = [1, 1, 1, 1]>(r, w2) }""",
            arrays,
        )
    )
    assert dims(after)["w1"][0] == 3
    assert {value.dtype for value in after.graph.initializers.values()} == {ir.DataType.FLOAT16}


def test_negative_zero_counts_as_zero():
    w1 = CHAIN["w1"].copy()
    w1[[1, 2]] = -0.0
    after = bake(
        model("(float[N, 3, 8, 8] x) => (y) { a = Conv(x, w1, b1) y = Conv(a, w2) }", {**CHAIN, "w1": w1})
    )
    assert dims(after)["w1"][0] == 2


def test_softmax_before_opset_13_mixes_all_axes_behind_its_own():
    arrays = {"w1": weights(4, 3, 1, 1, dead=(0, 2)), "b1": vector(1, 2, 3, 4), "w2": weights(2, 4, 1, 1)}
    for opset in (12, 13):
        bake(
            model(
                "(float[N, 3, 4, 4] x) => (float[N, 2, 4, 4] y) { a = Conv(x, w1, b1) s = "
                "Softmax<axis = 2>(a) y = Conv(s, w2) }",
                arrays,
                opset,
            )
        )
    arrays["w2"] = weights(4, 2)
    before = model(
        """(float[N, 3, 4, 4] x) => (float[N, 4, 4, 2] y) { a = Conv(x, w1, b1)
        t = Transpose<perm = [0, 2, 3, 1]>(a) s = Softmax<axis = 2>(t) y = MatMul(s, w2) }""",
        arrays,
        12,
    )
    assert dims(bake(before))["w1"][0] == 4


def test_names_that_are_taken():
    before = model(
        """(float[N, 3, 8, 8] x) => (float[N, 5, 6, 6] y, float[N, 3, 8, 8] z) {
        a = Conv<pads = [1, 1, 1, 1]>(x, w1, b1) r = Relu(a) q = Neg(x) z = Relu(q) y = Conv(r, w2) }""",
        CHAIN,
    )
    (taken,) = (node.outputs[0] for node in before.graph if node.op_type == "Neg")
    taken.name = "w2.bias"
    bake(before)


def test_nodes_without_names_and_constants_that_flow_into_two_sums():
    arrays = {
        "w1": weights(4, 3, dead=(0, 1)),
        "b1": vector(1, 2, 3, 4),
        "w2": weights(4, 3, dead=(0, 2)),
        "b2": vector(-1, 2, 3, 4),
        "w3": weights(4, 2),
    }
    before = model(
        """(float[N, 3] x) => (y) { a = Gemm<transB = 1>(x, w1, b1) c = Gemm<transB = 1>(x, w2, b2)
        s = Add(a, c) r = Relu(s) y = Gemm(r, w3) }""",
        arrays,
    )
    for node in before.graph:
        node.name = None
    after = bake(before)
    assert dims(after)["w1"] == (3, 3)  # only unit 0 is constant in both addends


def test_it_is_done_after_one_call():
    before = model(
        "(float[N, 3, 8, 8] x) => (y) { a = Conv<pads = [1, 1, 1, 1]>(x, w1, b1) r = "
        "Relu(a) y = Conv<pads = [1, 1, 1, 1]>(r, w2) }",
        CHAIN,
    )
    again = RemoveUnits()
    again(run_pass(before, DropConstantBranches, RemoveUnits))
    assert again.detail == {}


def test_an_add_that_broadcasts_to_more_units_takes_no_bias():
    before = model(
        "(float[1, 4] x) => (y) { a = Gemm<transB = 1>(x, w, b) r = Relu(a) m = MatMul(r, u) y = Add(m, v) }",
        {
            "w": weights(8, 4, dead=(3,)),
            "b": weights(8),
            "u": weights(8, 1),
            "v": vector(1, 2, 3, 4, 5),
        },
    )
    after = run_pass(before, RemoveUnits)
    assert dims(after)["w"] == (7, 4)
