"""GroupNormalization, as an operator and as exporters write it: only whole groups leave."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest
import torch
from torch import nn

from edgeshrink.graph.shapes import infer_shapes
from edgeshrink.inputs import InputSpec, random_inputs
from edgeshrink.trace import trace_module
from tests.bake.support import Arrays, bake, dims, model, rng
from tests.graph.support import Seen

DRAW = rng(6)
NAN = pytest.approx(float("nan"), nan_ok=True)


def arrays(*dead: int, live: bool = False) -> dict[str, np.ndarray]:
    """Six channels, of which some are zero (or the number of their bias), and what norms and reads them."""
    weight, bias = DRAW.standard_normal((6, 2, 3, 3)), DRAW.standard_normal(6)
    weight[list(dead)] = 0
    bias[list(dead)] *= live
    made = {"w": weight, "b": bias, "s6": DRAW.uniform(0.5, 2, 6), "t6": DRAW.standard_normal(6)}
    made |= {"s3": DRAW.uniform(0.5, 2, 3), "t3": DRAW.standard_normal(3)}
    made |= {"u": DRAW.standard_normal((4, 6, 1, 1)), "one": np.ones(3), "zero": np.zeros(3)}
    made |= {"s611": made["s6"].reshape(6, 1, 1), "t611": made["t6"].reshape(6, 1, 1)}
    made = {name: array.astype(np.float32) for name, array in made.items()}
    return {**made, "grouped": np.array([0, 3, -1]), "back": np.array([0, 6, 4, 4])}


def graph(text: str, given: Arrays, opset: int) -> ir.Model:
    """A model with shapes as the product infers them."""
    made = model(text, given, opset, shapes=False)
    infer_shapes(made)
    return made


OPERATOR = "n = GroupNormalization<num_groups = 3>(a, s6, t6)"
WRITTEN_OUT = """g = Reshape(a, grouped) i = InstanceNormalization(g, one, zero) r = Reshape(i, back)
    m = Mul(r, s611) n = Add(m, t611)"""
FORMS = pytest.mark.parametrize(("norm", "opset"), [(OPERATOR, 21), (WRITTEN_OUT, 18)])


def channels(norm: str, opset: int, given: Arrays, *, outputs: str = "y") -> int:
    """How many of the six channels are left."""
    text = f"(float[2, 2, 6, 6] x) => ({outputs}) {{ a = Conv(x, w, b) {norm} y = Conv(n, u) }}"
    return dims(bake(graph(text, given, opset)))["w"][0]


@FORMS
@pytest.mark.parametrize(("dead", "left"), [((2, 3), 4), ((2,), 6), ((1, 2), 6), ((0, 1, 3, 4, 5), 2)])
def test_a_group_that_is_zero_leaves_and_its_bias_stays(
    norm: str, opset: int, dead: tuple[int, ...], left: int
):
    assert channels(norm, opset, arrays(*dead)) == left


@FORMS
def test_what_is_constant_but_not_zero_stays(norm: str, opset: int):
    """Its deviation is zero, or the rounding of its mean: nobody can tell what is left of it."""
    assert channels(norm, opset, arrays(2, 3, live=True)) == 6


@FORMS
def test_a_group_that_nobody_reads_leaves(norm: str, opset: int):
    given = arrays()
    given["u"][:, [2, 3]] = 0
    assert channels(norm, opset, given) == 4
    given["u"][:, 2] = 1
    assert channels(norm, opset, given) == 6


@FORMS
def test_a_group_without_scale_is_its_bias(norm: str, opset: int):
    given = arrays()
    given["s6"][[2, 3]] = 0
    given["s611"][[2, 3]] = 0
    assert channels(norm, opset, given) == 4


@FORMS
def test_a_norm_that_is_an_output_stays(norm: str, opset: int):
    assert channels(norm, opset, arrays(2, 3), outputs="y, n") == 6


def test_scale_and_bias_shared_by_two_norms_are_told_apart():
    given = arrays(2, 3)
    text = f"""(float[2, 2, 6, 6] x) => (y, z) {{ a = Conv(x, w, b) {OPERATOR} y = Conv(n, u)
        c = Conv(x, w2) o = GroupNormalization<num_groups = 3>(c, s6, t6) z = Relu(o) }}"""
    after = dims(bake(graph(text, {**given, "w2": arrays()["w"]}, 21)))
    assert (after["w"][0], after["w2"][0]) == (4, 6)


@pytest.mark.parametrize("opset", [18, 21])
def test_the_meaning_of_scale_and_bias_is_that_of_the_opset(opset: int):
    """One for each group at first, later one for each channel."""
    kind = "3" if opset == 18 else "6"
    text = f"""(float[N, 2, 6, 6] x) => (y) {{ a = Conv(x, w, b)
        n = GroupNormalization<num_groups = 3>(a, s{kind}, t{kind}) y = Neg(n) }}"""
    given = arrays(2, 3)
    a = Seen(graph(text, given, opset))
    bias = np.repeat(given["t3"], 2) if opset == 18 else given["t6"]
    assert a.constants("n") == [NAN, NAN, *(pytest.approx(x, abs=1e-5) for x in bias[2:4].tolist()), NAN, NAN]
    first, second, *_ = a.classes("a")
    assert first == second
    assert a.classes(f"s{kind}", 0) == (a.classes("a")[::2] if opset == 18 else a.classes("a"))


@pytest.mark.parametrize(("norm", "name"), [
    ("n = GroupNormalization<num_groups = 3>(a, given, t6)", "a scale that is computed"),
    ("n = GroupNormalization<num_groups = 3>(a, s3, t3)", "scales of another number"),
])  # fmt: skip
def test_what_is_not_of_the_form_pins(norm: str, name: str):
    text = f"(float[N, 2, 6, 6] x, float[6] given) => (y) {{ a = Conv(x, w, b) {norm} y = Neg(n) }}"
    a = Seen(graph(text, arrays(2, 3), 21))
    assert a.pinned("a") == "read by GroupNormalization, which the analysis does not know"


class Grouped(nn.Module):
    """A layer, its GroupNorm, and a layer that reads it; input (N, 2, 8, 8)."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(2, 8, 3), nn.GroupNorm(4, 8), nn.SiLU(), nn.Conv2d(8, 3, 1))
        self.body[1].bias.data.normal_()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.body(x)


def test_a_group_norm_from_torch_loses_its_dead_groups():
    torch.manual_seed(0)
    network = Grouped().eval()
    with torch.no_grad():
        network.body[0].weight[[0, 1, 6, 7, 3]] = 0
        network.body[0].bias[[0, 1, 6, 7, 3]] = 0
    before = trace_module(network, [InputSpec(None, (2, 2, 8, 8), "float32")]).model
    after = dims(bake(before, random_inputs(before, 32)))
    assert after["body.0.weight"] == (4, 2, 3, 3)
