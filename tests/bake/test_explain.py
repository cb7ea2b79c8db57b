"""explain: what a user is told of each layer, before and after."""

from __future__ import annotations

import numpy as np
import pytest

from edgeshrink.bake.explain import LayerChange, compare_layers, layer_units
from edgeshrink.graph.module_paths import SCOPES, traced_path
from tests.bake.support import bake, model, rng
from tests.graph.test_recurrent import cell, silence


def changes(text: str, **arrays: np.ndarray) -> dict[str, LayerChange]:
    before = model(text, arrays)
    seen = layer_units(before.graph)
    return {change.name: change for change in compare_layers(seen, bake(before).graph)}


def weights(*shape: int, dead: tuple[int, ...] = ()) -> np.ndarray:
    array = rng(1).standard_normal(shape).astype(np.float32)
    array[list(dead)] = 0
    return array


B = np.array([1, 2, 3, 4], np.float32)
X = "(float[N, 3, 6, 6] x)"


def test_a_layer_that_shrinks_has_nothing_to_explain():
    told = changes(
        f'{X} => (y) {{ a = Conv(x, "c1.weight", b) y = Conv(a, "c2.weight") }}',
        **{"c1.weight": weights(4, 3, 3, 3, dead=(0, 1)), "c2.weight": weights(2, 4, 3, 3), "b": B},
    )
    assert told == {
        "c1": LayerChange("c1", "Conv", 4, 2, (3, 3), (3, 3), ""),
        "c2": LayerChange("c2", "Conv", 2, 2, (3, 3), (3, 3), ""),
    }


@pytest.mark.parametrize(("nodes", "reason"), [
    ("y = Conv(x, w, b)", "2 idle units stay: graph output 'y'"),
    ("a = Conv(x, w, b) s = Softmax<axis = 1>(a) y = Conv(s, u)", "2 idle units stay: mixed by Softmax"),
    (
        "a = Conv(x, w, b) r = CumSum(a, k) y = Relu(r)",
        "2 idle units stay: read by CumSum, which the analysis does not know",
    ),
    (
        "a = Conv(x, w, b) y = Conv<pads = [1, 1, 1, 1]>(a, u)",
        "1 idle unit stays: carries the constants of removed units past the zero padding of Conv",
    ),
    (
        "a = Conv(x, w, b) c = Conv(x, v) s = Add(a, c) y = Conv(s, u)",
        "2 idle units stay: tied to units of 'v' that are alive",
    ),
])  # fmt: skip
def test_why_idle_units_stay(nodes: str, reason: str):
    arrays = {
        "w": weights(4, 3, 3, 3, dead=(0, 1)),
        "v": weights(4, 3, 3, 3),
        "b": B,
        "u": weights(2, 4, 3, 3),
        "k": np.array(2),
    }
    assert changes(f"{X} => (y) {{ {nodes} }}", **arrays)["w"].reason.split(";")[0] == reason


def test_zeros_that_make_no_unit_and_a_layer_that_went():
    sparse = weights(4, 3, 3, 3)
    sparse[:, :, 1] = 0
    told = changes(
        f"{X} => (y) {{ a = Conv(x, w, b) d = Conv(x, z) s = Add(a, d) y = Relu(s) }}",
        w=sparse, b=B, z=np.zeros((4, 3, 3, 3), np.float32),
    )  # fmt: skip
    assert told["w"].reason == "33% of its weights are zeros that make no whole unit"
    assert (told["z"].before, told["z"].after, told["z"].reason) == (
        4,
        0,
        "the whole layer only ever adds a constant, or nothing",
    )


def test_a_kernel_that_shrinks():
    ring = weights(4, 3, 5, 5)
    ring[:, :, 0] = ring[:, :, -1] = ring[:, :, :, 0] = ring[:, :, :, -1] = 0
    told = changes(f"{X} => (y) {{ y = Conv<pads = [2, 2, 2, 2]>(x, w, b) }}", w=ring, b=B)
    assert (told["w"].kernel_before, told["w"].kernel_after) == ((5, 5), (3, 3))


def test_linear_layers_have_no_kernel_and_shared_ones_are_told_once():
    told = changes(
        "(float[N, 3] x) => (y) { a = MatMul(x, w) c = MatMul(a, w) y = Gemm(c, u) }",
        w=weights(3, 3),
        u=weights(3, 2),
    )
    assert {name: (change.op, change.before, change.kernel_before) for name, change in told.items()} == {
        "w": ("MatMul", 3, ()),
        "u": ("Gemm", 2, ()),
    }


def test_every_kind_of_layer_is_told():
    told = changes(
        "(float[2, 4, 6, 6] x) => (y) { a = Conv<group = 4>(x, d) g = Conv<group = 2>(a, c) "
        "v = ConvTranspose<group = 2>(g, t) f = Flatten(v) m = MatMul(f, l) "
        'y = Einsum<equation = "bi,oi->bo">(m, e) }',
        d=weights(4, 1, 3, 3), c=weights(4, 2, 3, 3), t=weights(4, 3, 2, 2),
        l=weights(54, 5), e=weights(7, 5),
    )  # fmt: skip
    assert [(name, change.op, change.before, change.kernel_before) for name, change in told.items()] == [
        ("d", "Conv", 4, (3, 3)),
        ("c", "Conv", 4, (3, 3)),
        ("t", "ConvTranspose", 6, (2, 2)),
        ("l", "MatMul", 5, ()),
        ("e", "Einsum", 7, ()),
    ]


def test_directions_of_a_recurrent_layer_are_told_apart_before_and_after():
    arrays = {**cell("LSTM", directions=2), "shape": np.array([0, 0, 8]), "u": weights(8, 2)}
    arrays["w"][0, 0::4] = arrays["r"][0, 0::4] = arrays["b"][0, 0::4] = 0
    text = (
        "(float[5, 2, 3] x) => (z) { "
        'y, h = LSTM<hidden_size = 4, direction = "bidirectional">(x, w, r, b) '
        "t = Transpose<perm = [0, 2, 1, 3]>(y) f = Reshape(t, shape) z = MatMul(f, u) }"
    )
    told = changes(text, **arrays)
    assert {name: (change.before, change.after) for name, change in told.items()} == {
        "w": (4, 3), "w_reverse": (4, 4), "u": (2, 2),
    }  # fmt: skip
    arrays["w"][1, 1::4] = arrays["r"][1, 1::4] = arrays["b"][1, 1::4] = 0
    told = changes(text, **arrays)
    assert [change.after for change in told.values()] == [3, 3, 2]


def test_a_unit_that_its_bias_starts_up_is_told():
    arrays = {**cell("LSTM"), "u": weights(4, 2)}
    silence(arrays, "LSTM", 2)
    arrays["b"][0, 14] = 1
    told = changes(
        "(float[5, 2, 3] x) => (z) { y, h = LSTM<hidden_size = 4>(x, w, r, b) z = MatMul(y, u) }", **arrays
    )
    assert told["w"].after == 4
    assert told["w"].reason.startswith(
        "1 idle unit stays: its bias moves its state from the first step to the next"
    )


def test_layers_are_called_after_their_modules_and_never_share_a_row():
    before = model(
        "(float[2, 3] x) => (y) { a = MatMul(x, v1) b = MatMul(a, v2) c = MatMul(b, v3) y = Softmax(c) }",
        {"v1": weights(3, 3), "v2": weights(3, 3), "v3": weights(3, 3)},
    )
    first, second, third, _ = before.graph
    for node in (first, second):
        node.name = f"node_{node.outputs[0].name}"
        node.metadata_props[SCOPES] = "['', 'encoder', 'encoder.attention', 'linear']"
    third.name = "/decoder/decoder.0/out/MatMul"
    assert [layer.name for layer in layer_units(before.graph)] == [
        "encoder.attention", "encoder.attention (2)", "decoder.0.out",
    ]  # fmt: skip
    third.metadata_props[SCOPES] = "no list"
    assert traced_path(third) == "decoder.0.out"


def test_reasons_name_modules_not_nodes():
    before = model(
        f"{X} => (y) {{ a = Conv(x, w, b) y = Conv<pads = [1, 1, 1, 1]>(a, u) }}",
        {"w": weights(4, 3, 3, 3, dead=(0, 1)), "u": weights(2, 4, 3, 3), "b": B},
    )
    node = list(before.graph)[1]
    node.name = "node_conv2d_1"
    node.metadata_props[SCOPES] = "['', 'body.1', 'conv2d']"
    (told, _) = compare_layers(layer_units(before.graph), bake(before).graph)
    assert told.reason == (
        "1 idle unit stays: carries the constants of removed units past the zero padding of Conv 'body.1'"
    )


def test_a_layer_that_takes_anothers_equal_weight_is_not_gone():
    text = "(float[N, 4] x) => (float[N, 4] y) { h = MatMul(x, a) r = Relu(h) y = MatMul(r, b) }"
    network = model(text, {"a": weights(4, 4), "b": weights(4, 4)})
    one, _, two = network.graph
    one.name, two.name = "one", "two"
    seen = layer_units(network.graph)
    two.replace_input_with(1, one.inputs[1])
    first, second = compare_layers(seen, network.graph)
    assert (first.after, second.after) == (4, 4)
    assert second.reason == "its weight equals that of one and is stored once"
