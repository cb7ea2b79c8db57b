"""Expand and Tile: axes that keep their length are carried, copies of one index leave one by one."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from edgeshrink.inputs import InputSpec, random_inputs
from edgeshrink.trace import trace_module
from tests.bake.support import Arrays, bake, dims, model, rng
from tests.graph.support import seen

DRAW = rng(7)
NAN = pytest.approx(float("nan"), nan_ok=True)
W = DRAW.standard_normal((4, 2, 1, 1)).astype(np.float32)
W[[1, 2]] = 0
ARRAYS = {
    "w": W,
    "b": np.array([1, 0, 3, 4], np.float32),
    "u": DRAW.standard_normal((3, 4, 1, 1)).astype(np.float32),
    "u8": DRAW.standard_normal((3, 8, 1, 1)).astype(np.float32),
    "hw": np.array([2, 3]),
    "two": np.array([2]),
}


def left(text: str, arrays: Arrays, *, outputs: str = "y") -> int:
    """How many of the four channels are left."""
    head = f"(float[N, 2, 6, 6] x) => ({outputs}) {{ a = Conv(x, w, b)"
    return dims(bake(model(f"{head} {text} }}", {**ARRAYS, **arrays}, strict=False)))["w"][0]


MEAN = "m = ReduceMean(a, hw)"


@pytest.mark.parametrize("shape", [[1, 1, 6, 6], [1, 4, 6, 6], [6, 6], [4, 6, 6], [1, 4, 1, 6]])
def test_expanded_positions_carry_channels(shape: list[int]):
    assert left(f"{MEAN} e = Expand(m, shape) y = Conv(e, u)", {"shape": np.array(shape)}) == 2


@pytest.mark.parametrize("op", ["Expand", "Tile"])
def test_a_shape_computed_at_run_time_pins(op: str):
    inputs = "float[N, 2, 6, 6] x, int64[4] given"
    text = f"({inputs}) => (float[A, B, C, D] y) {{ a = Conv(x, w, b) y = {op}(a, given) }}"
    assert seen(text, ARRAYS).pinned("a") == f"read by {op}, which the analysis does not know"


def test_expanded_channels_that_are_an_output_stay():
    text = f"{MEAN} e = Expand(m, shape) y = Conv(e, u)"
    assert left(text, {"shape": np.array([1, 1, 6, 6])}, outputs="y, e") == 4


def test_a_shape_that_two_read_is_changed_for_one():
    text = f"{MEAN} e = Expand(m, shape) z = Expand(x4, shape) y = Conv(e, u)"
    head = "(float[N, 2, 6, 6] x, float[N, 4, 1, 1] x4) => (y, z) { a = Conv(x, w, b)"
    before = model(f"{head} {text} }}", {**ARRAYS, "shape": np.array([1, 4, 6, 6])}, strict=False)
    assert dims(bake(before))["w"][0] == 2


@pytest.mark.parametrize(("repeats", "reader"), [([1, 1, 2, 1], "u"), ([1, 2, 1, 1], "u8")])
def test_tiled_channels_leave_with_all_their_copies(repeats: list[int], reader: str):
    text = f"e = Tile(a, repeats) y = Conv(e, {reader})"
    assert left(text, {"repeats": np.array(repeats)}) == 2


def test_constants_and_demand_go_through_copies():
    text = "(float[N, 2, 6, 6] x) => (y) { a = Conv(x, w, b) e = Tile(a, repeats) y = Conv(e, u8) }"
    reader = np.zeros((3, 8, 1, 1), np.float32)
    reader[0, 5] = reader[1, 3] = 1
    a = seen(text, {**ARRAYS, "u8": reader, "repeats": np.array([1, 2, 1, 1])}, strict=False)
    assert a.constants("e") == [NAN, 0, 3, NAN] * 2
    assert a.demand("a") == [False, True, False, True]


@pytest.mark.parametrize("copies", [
    "e = Expand(m, shape)",
    "e = Tile(m, shape)",
])  # fmt: skip
def test_copies_of_one_channel_that_nobody_reads_are_not_made(copies: str):
    reader = ARRAYS["u"].copy()
    reader[:, [0, 3]] = 0
    text = f"""(float[N, 2, 6, 6] x) => (y) {{ a = Conv(x, w, b) m = ReduceMax(a, c) {copies}
        y = Conv(e, u) }}"""
    arrays = {**ARRAYS, "u": reader, "shape": np.array([1, 4, 1, 1]), "c": np.array([1])}
    assert dims(bake(model(text, arrays, strict=False)))["u"] == (3, 2, 1, 1)


class GroupedQuery(nn.Module):
    """Six query heads over (N, T, 12), every two of which share keys and values."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind = kind
        self.query, self.key, self.value = nn.Linear(12, 24), nn.Linear(12, 12), nn.Linear(12, 12)
        self.out = nn.Linear(24, 12)

    def shared(self, x: torch.Tensor) -> torch.Tensor:
        n, t, _ = x.shape
        x = x.view(n, t, 3, 4).transpose(1, 2)
        if self.kind == "expand":
            return x[:, :, None].expand(n, 3, 2, t, 4).reshape(n, 6, t, 4)
        return x.repeat_interleave(2, dim=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        n, t, _ = x.shape
        q = self.query(x).view(n, t, 6, 4).transpose(1, 2)
        k, v = self.shared(self.key(x)), self.shared(self.value(x))
        y = torch.softmax(q @ k.transpose(2, 3) / 2, -1) @ v
        return self.out(y.transpose(1, 2).reshape(n, t, 24))


@pytest.mark.parametrize("kind", ["expand", "repeat_interleave"])
@pytest.mark.parametrize(("dead", "heads", "shared"), [
    ((2, 3), 4, 2),
    ((0, 2, 3), 4, 2),  # of a pair, one head stays with the other
    ((0, 2, 3, 4, 5), 1, 1),  # but not if there is only that pair
])  # fmt: skip
def test_heads_leave_with_the_keys_and_values_they_share(
    kind: str, dead: tuple[int, ...], heads: int, shared: int
):
    torch.manual_seed(0)
    network = GroupedQuery(kind).eval()
    with torch.no_grad():
        network.out.weight.view(12, 6, 4)[:, list(dead)] = 0
    before = trace_module(network, [InputSpec(None, (2, 5, 12), "float32")]).model
    after = bake(before, random_inputs(before, 32))
    sizes = sorted(shape for shape in dims(after).values() if len(shape) == 2)
    assert sizes == sorted([(12, 4 * heads), (4 * heads, 12), (12, 4 * shared), (12, 4 * shared)])


@pytest.mark.parametrize(("op", "shape"), [("Expand", [1, 4, 1, 1]), ("Tile", [1, 4, 1, 1])])
def test_copies_that_are_all_read_are_made_once(op: str, shape: list[int]):
    text = f"""(float[N, 2, 6, 6] x) => (y) {{ a = Conv(x, w, b) m = ReduceMax(a, c) e = {op}(m, shape)
        f = Conv(e, u) g = Relu(f) y = Conv(g, last) }}"""
    twins = ARRAYS["u"].copy()
    twins[1] = twins[0]
    arrays = {
        **ARRAYS,
        "u": twins,
        "shape": np.array(shape),
        "c": np.array([1]),
        "last": np.ones((2, 3, 1, 1)),
    }
    arrays["last"] = arrays["last"].astype(np.float32)
    assert dims(bake(model(text, arrays, strict=False)))["u"][1] == 1


def test_tiled_copies_of_equal_channels_are_equal():
    weight = DRAW.standard_normal((4, 2, 1, 1)).astype(np.float32)
    weight[[1, 2]] = weight[[0, 3]]
    text = "(float[N, 2, 6, 6] x) => (y) { a = Conv(x, w) e = Tile(a, repeats) y = Conv(e, u8) }"
    after = bake(model(text, {**ARRAYS, "w": weight, "repeats": np.array([1, 2, 1, 1])}, strict=False))
    assert dims(after)["w"][0] == 2
