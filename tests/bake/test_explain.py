"""explain: what a user is told of each layer, before and after."""

from __future__ import annotations

import numpy as np
import pytest

from edgeshrink.bake.explain import LayerChange, compare_layers, layer_units
from tests.bake.support import bake, model, rng


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
        "a = Conv(x, w, b) r = ConvTranspose(a, t) y = Relu(r)",
        "2 idle units stay: read by ConvTranspose, which the analysis does not know",
    ),
    (
        "a = Conv(x, w, b) y = Conv<pads = [1, 1, 1, 1]>(a, u)",
        "1 idle unit stays: carries the constants of removed units past the zero padding of Conv",
    ),
    (
        "a = Conv(x, w, b) c = Conv(x, v) s = Add(a, c) y = Conv(s, u)",
        "2 idle units stay: tied to units that are alive elsewhere",
    ),
])  # fmt: skip
def test_why_idle_units_stay(nodes: str, reason: str):
    arrays = {
        "w": weights(4, 3, 3, 3, dead=(0, 1)),
        "v": weights(4, 3, 3, 3),
        "b": B,
        "u": weights(2, 4, 3, 3),
        "t": weights(4, 4, 3, 3),
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
