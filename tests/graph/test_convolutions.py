"""What grouped and transposed convolutions mean for units, constants and demand."""

from __future__ import annotations

import numpy as np
import pytest

from tests.graph.support import Seen, seen

NAN = pytest.approx(float("nan"), nan_ok=True)
W = np.ones((4, 2, 1, 1), np.float32)
W[:2] = 0
B = np.array([2, 3, 5, 7], np.float32)


def over(layer: str, weight: np.ndarray, bias: np.ndarray) -> Seen:
    """Four channels `a`, of which the first two are 2 and 3, then a layer `g`."""
    text = f"(float[N, 2, 6, 6] x) => (y) {{ a = Conv(x, w, b) g = {layer}(a, u, c) y = Neg(g) }}"
    return seen(text, {"w": W, "b": B, "u": weight, "c": bias})


def test_a_group_of_constants_is_constant_unless_padding_shows():
    ones, bias = np.ones((6, 2, 3, 3), np.float32), np.arange(6, dtype=np.float32)
    a = over("Conv<group = 2>", ones, bias)
    assert a.constants("g") == [45, 46, 47, NAN, NAN, NAN]
    assert over("Conv<group = 2, pads = [0, 1, 0, 0]>", ones, bias).constants("g") == [NAN] * 6


def test_the_outputs_of_a_group_are_units_of_their_own_and_the_bias_follows():
    a = over("Conv<group = 2>", np.ones((6, 2, 3, 3), np.float32), np.zeros(6, np.float32))
    assert a.tied(("c", 0), ("g", 1))
    assert len(set(a.classes("g"))) == 6
    assert a.classes("u", 0) is None
    assert a.pinned("a") is None


def test_demand_stays_within_a_group():
    weight = np.ones((4, 2, 1, 1), np.float32)
    weight[0, 1] = weight[1, 1] = weight[2:] = 0
    assert over("Conv<group = 2>", weight, B).demand("a") == [True, False, False, False]
    turned = weight.reshape(2, 2, 2, 1, 1).swapaxes(1, 2).reshape(4, 2, 1, 1)
    assert over("ConvTranspose<group = 2>", turned, B).demand("a") == [True, False, False, False]


def test_a_transposed_layer_holds_its_inputs_first():
    a = over("ConvTranspose", np.ones((4, 3, 2, 2), np.float32), np.zeros(3, np.float32))
    assert a.tied(("u", 0), ("a", 1))
    assert a.tied(("u", 1), ("g", 1))
    assert a.tied(("c", 0), ("g", 1))


@pytest.mark.parametrize(("attributes", "kernel", "known"), [
    ("strides = [1, 1]", 1, True),
    ("strides = [2, 2]", 1, False),  # a position between two inputs sees none
    ("strides = [2, 2]", 2, False),  # each position sees one of four taps
    ("pads = [1, 0, 0, 0]", 1, False),
    ("output_padding = [0, 1], strides = [1, 2]", 1, False),
    ('auto_pad = "VALID"', 1, False),  # nothing is added, but that is not worth knowing
])  # fmt: skip
@pytest.mark.parametrize("groups", [1, 2])
def test_constants_behind_a_transposed_layer(attributes: str, kernel: int, known: bool, groups: int):
    weight = np.zeros((4, 4 // groups, kernel, kernel), np.float32)
    weight[:2, 0] = 1
    a = over(f"ConvTranspose<group = {groups}, {attributes}>", weight, np.ones(4, np.float32))
    assert a.constants("g") == [6 if known else NAN, 1, 1, 1]


def test_a_constant_zero_goes_through_any_transposed_layer():
    text = """(float[N, 2, 6, 6] x) => (y) { a = Conv(x, w) g = ConvTranspose<strides = [2, 2]>(a, u)
        y = Neg(g) }"""
    weight = np.zeros((4, 3, 2, 2), np.float32)
    weight[:2] = weight[3, 2] = 1
    assert seen(text, {"w": W, "u": weight}).constants("g") == [0, 0, NAN]


def test_infinite_weights_in_groups_pin():
    weight = np.ones((6, 2, 1, 1), np.float32)
    weight[0] = np.inf
    a = over("Conv<group = 2>", weight, np.zeros(6, np.float32))
    assert a.pinned("a") == "read by Conv, which the analysis does not know"
