"""DropNanGuards: a softmax that cannot be nan needs nobody to look after it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.functional import scaled_dot_product_attention

from edgeshrink.bake.drop_nan_guards import DropNanGuards
from edgeshrink.inputs import InputSpec, random_inputs
from edgeshrink.trace import trace_module
from tests.bake.support import bake, dims, model, ops, rng, run_pass

LOWER = np.where(np.tri(5, dtype=bool), 0, -np.inf).astype(np.float32)
EMPTY = LOWER.copy()
EMPTY[2] = -np.inf
ARRAYS = {
    "w": rng().standard_normal((3, 5)).astype(np.float32),
    "lower": LOWER,
    "empty": EMPTY,
    "lowest": np.maximum(EMPTY, np.finfo(np.float32).min),
    "row": LOWER[1],
    "nan": np.where(LOWER == 0, LOWER, np.nan),
    "holds": LOWER == 0,
    "few": EMPTY == 0,
    "never": np.array([False]),
    "minus": np.float32(-np.inf),
    "zero": np.float32(0),
    "half": np.float32(0.5),
    "huge": np.float32(3e38),
}
GUARD = "p = Softmax<axis = -1>(s) n = IsNaN(p) g = Where(n, zero, p) y = Neg(g)"


def guards(text: str, guard: str = GUARD, outputs: str = "y") -> int:
    before = model(
        f"(float[5, 3] x, float[5, 5] given) => ({outputs}) {{ {text} {guard} }}", ARRAYS, strict=False
    )
    after = run_pass(before, DropNanGuards)
    assert (ops(after)["IsNaN"] == 0) == (ops(after)["Where"] < ops(before)["Where"])
    return ops(after)["IsNaN"]


@pytest.mark.parametrize("scores", [
    "s = MatMul(x, w)",
    "m = MatMul(x, w) h = Mul(m, half) s = Add(h, lower)",
    "m = MatMul(x, w) h = Div(m, half) s = Add(row, h)",
    "m = MatMul(x, w) a = Add(m, lower) s = Mul(half, a)",
    "m = MatMul(x, w) s = Where(holds, m, minus)",
])  # fmt: skip
def test_a_mask_that_leaves_something_in_each_row_needs_no_guard(scores: str):
    assert guards(scores) == 0


@pytest.mark.parametrize("scores", [
    "s = Add(given, lower)",  # may be minus infinity itself
    "m = MatMul(x, w) s = Add(m, given)",
    "m = MatMul(x, w) s = Add(m, empty)",
    "m = MatMul(x, w) s = Where(few, m, minus)",
    "m = MatMul(x, w) s = Where(never, m, minus)",
    "m = MatMul(x, w) r = Where(holds, m, minus) s = Add(r, empty)",
    "m = MatMul(x, w) a = Add(m, lower) s = Mul(zero, a)",
    "m = MatMul(x, w) a = Add(m, lower) s = Mul(huge, a)",
    "m = MatMul(x, w) s = Add(m, lowest)",  # may be minus infinity once it is added to
    "m = MatMul(x, w) s = Add(m, nan)",
    "m = MatMul(x, w) s = Div(half, m)",
    "m = MatMul(x, w) s = Log(m)",
])  # fmt: skip
def test_what_may_mask_a_whole_row_keeps_its_guard(scores: str):
    assert guards(scores) == 1


@pytest.mark.parametrize("guard", [
    "p = Softmax<axis = 0>(s) n = IsNaN(p) g = Where(n, zero, p) y = Neg(g)",
    "p = Softmax<axis = -1>(s) n = IsNaN(p) y = Where(n, zero, p)",
    "p = Softmax<axis = -1>(s) n = IsNaN(p) g = Where(n, p, zero) y = Neg(g)",
    "p = Softmax<axis = -1>(s) n = IsNaN(s) g = Where(n, zero, p) y = Neg(g)",
])  # fmt: skip
def test_other_choices_stay(guard: str):
    assert guards("m = MatMul(x, w) s = Add(m, lower)", guard) == 1


class Masked(nn.Module):
    """Three heads over (N, 5, 12) that see what is before them."""

    def __init__(self) -> None:
        super().__init__()
        self.q, self.k, self.v, self.o = (nn.Linear(12, 12) for _ in range(4))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        n, t, _ = x.shape
        q, k, v = (layer(x).view(n, t, 3, 4).transpose(1, 2) for layer in (self.q, self.k, self.v))
        y = scaled_dot_product_attention(q, k, v, attn_mask=torch.ones(t, t, dtype=torch.bool).tril())
        return self.o(y.transpose(1, 2).reshape(n, t, 12))


@pytest.mark.parametrize("where", ["values", "behind"])
def test_heads_leave_masked_attention(where: str):
    torch.manual_seed(0)
    network = Masked().eval()
    with torch.no_grad():
        if where == "values":
            network.v.weight.view(3, 4, 12)[1] = 0  # their bias stays
        else:
            network.o.weight.view(12, 3, 4)[:, 1] = 0
    before = trace_module(network, [InputSpec(None, (2, 5, 12), "float32")]).model
    after = bake(before, random_inputs(before, 32))
    assert ops(after)["IsNaN"] == 0
    assert sorted(s for s in dims(after).values() if 12 in s and len(s) == 2) == [(8, 12), *[(12, 8)] * 3]
