"""The gate scales every branch by its own mean strength, masked filters included in the mean."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from edgeshrink.dendrites import AdaptiveGate, MaskedGroupedConv2d
from edgeshrink.pipeline import bake
from tests.dendrites.support import computed, operators, traced

WIDTHS = (3, 1, 4)


def gate() -> AdaptiveGate:
    layer = AdaptiveGate(WIDTHS)
    nn.init.normal_(layer.a)
    nn.init.normal_(layer.b)
    return layer


def by_hand(layer: AdaptiveGate, x: Tensor) -> np.ndarray:
    """The formula, branch by branch, in double precision."""
    a, b, start, parts = layer.a.tolist(), layer.b.tolist(), 0, []
    for branch, width in enumerate(layer.widths):
        part = x[:, start : start + width].double().numpy()
        strength = np.abs(part).reshape(len(part), -1).mean(1)
        scale = 1 / (1 + np.exp(-(a[branch] * strength + b[branch])))
        parts.append(part * scale.reshape(-1, *[1] * (part.ndim - 1)))
        start += width
    return np.concatenate(parts, 1)


@pytest.mark.parametrize("positions", [(), (5,), (5, 6), (2, 3, 4)])
def test_it_computes_the_formula(positions: tuple[int, ...]) -> None:
    layer, x = gate(), torch.randn(2, 8, *positions)
    # float32 against float64: the mean of some 100 numbers near 1 and a sigmoid.
    np.testing.assert_allclose(layer(x).detach().numpy(), by_hand(layer, x), rtol=1e-5, atol=1e-6)


def test_masked_filters_count_in_the_mean() -> None:
    layer, x = gate(), torch.randn(2, 8, 5, 5)
    x[:, [0, 5, 6]] = 0
    np.testing.assert_allclose(layer(x).detach().numpy(), by_hand(layer, x), rtol=1e-5, atol=1e-6)


def test_removing_masked_filters_keeps_the_denominator() -> None:
    layer, x, kept = gate(), torch.randn(2, 8, 5, 5), [1, 2, 3, 4, 7]
    x[:, [0, 5, 6]] = 0
    expected = layer(x)[:, kept]
    layer.share, layer.member = layer.share[kept], layer.member[:, kept]
    # The sums over a branch's channels have fewer, but equal, terms: the order may differ in the last bits.
    torch.testing.assert_close(layer(x[:, kept]), expected, rtol=1e-6, atol=1e-6)


def test_what_follows_from_the_widths_is_not_stored() -> None:
    assert set(gate().state_dict()) == {"a", "b"}


@pytest.mark.parametrize("widths", [(), (3, 0)])
def test_a_branch_without_channels_is_refused(widths: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="at least 1 channel"):
        AdaptiveGate(widths)


def test_gradients_reach_weights_masks_and_gate() -> None:
    net = nn.Sequential(MaskedGroupedConv2d(2, 8, 3, groups=2), AdaptiveGate((4, 4)))
    net(torch.randn(3, 2, 6, 6)).square().sum().backward()
    for name in ("0.weight", "0.bias", "0.mask", "1.a", "1.b"):
        assert net.get_parameter(name).grad.all(), name


def test_it_traces_to_plain_onnx() -> None:
    layer, x = gate(), torch.randn(2, 8, 5, 5)
    exported = torch.export.export(layer, (x,)).module()
    torch.testing.assert_close(exported(x), layer(x), rtol=0, atol=0)
    model = traced(layer, x)
    # Means of 25 numbers near 1, summed in another order, through one sigmoid.
    torch.testing.assert_close(computed(model, x), layer(x).detach(), rtol=1e-5, atol=1e-6)
    plain = {"Constant", "Abs", "ReduceMean", "MatMul", "Mul", "Add", "Sigmoid", "Reshape", "Unsqueeze"}
    assert operators(model) <= plain


def test_masked_filters_before_a_gate_leave_and_nothing_else_changes() -> None:
    """Two branches of unequal width remain, and the means still count the filters that left."""
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(1, 6, 3), MaskedGroupedConv2d(6, 8, 3), AdaptiveGate((4, 4)), nn.Conv2d(8, 2, 1)
    ).eval()
    with torch.no_grad():
        net[1].mask[[0, 5, 6]] = 0
        net[2].a.fill_(1.5)
    x = torch.randn(2, 1, 9, 9)
    model = traced(net, x)
    expected = computed(model, x)
    # 6, 5 and 2 filters, and the gate's two products: from 5 filters to 2 branches and back.
    assert sorted(layer.after for layer in bake(model).layers) == [2, 2, 5, 5, 6]
    # The same sums with fewer zeros in them.
    torch.testing.assert_close(computed(model, x), expected, rtol=1e-5, atol=1e-6)
