"""A dendritic layer computes its formula, passes tuples on, traces, and trains."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from edgeshrink.dendrites import ACTIVATIONS, DendriticLayer, activation
from edgeshrink.errors import InputError


def randomized(layer: DendriticLayer) -> DendriticLayer:
    for weights in (layer.top, *layer.between):
        nn.init.normal_(weights)
    return layer


def linear(dendrites: int, name: str = "tanh") -> DendriticLayer:
    return randomized(
        DendriticLayer(nn.Linear(3, 4), [nn.Linear(3, 4) for _ in range(dendrites)], 4, activation=name)
    )


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_two_dendrites_compute_the_formula(name: str) -> None:
    layer, x, g = linear(2, name), torch.randn(5, 3), activation(name)
    s0 = g(layer.dendrites[0](x))
    s1 = g(layer.dendrites[1](x) + layer.between[0][0] * s0)
    expected = layer.soma(x) + layer.top[0] * s0 + layer.top[1] * s1
    torch.testing.assert_close(layer(x), expected, rtol=0, atol=0)


def test_without_dendrites_or_with_new_ones_it_is_its_soma() -> None:
    x = torch.randn(2, 3, 8, 8)
    conv = nn.Conv2d(3, 4, 3)
    for dendrites in ([], [nn.Conv2d(3, 4, 3)]):
        torch.testing.assert_close(DendriticLayer(conv, dendrites, 4)(x), conv(x), rtol=0, atol=0)


def test_weights_go_along_the_channel_dimension() -> None:
    x = torch.randn(2, 3, 8, 8)
    layer = randomized(DendriticLayer(nn.Conv2d(3, 4, 3), [nn.Conv2d(3, 4, 3)], 4, activation="relu"))
    expected = layer.soma(x) + layer.top[0].view(1, 4, 1, 1) * layer.dendrites[0](x).relu()
    torch.testing.assert_close(layer(x), expected, rtol=0, atol=0)


def test_a_recurrent_soma_keeps_its_hidden_state() -> None:
    gru, dendrite, x = (nn.GRU(3, 4, batch_first=True), nn.GRU(3, 4, batch_first=True), torch.randn(2, 5, 3))
    layer = randomized(DendriticLayer(gru, [dendrite], 4, channel_dim=-1))
    output, hidden = layer(x)
    torch.testing.assert_close(output, gru(x)[0] + layer.top[0] * dendrite(x)[0].sigmoid(), rtol=0, atol=0)
    torch.testing.assert_close(hidden, gru(x)[1], rtol=0, atol=0)


def test_all_weights_learn() -> None:
    layer = linear(3)
    layer(torch.randn(5, 3)).square().sum().backward()
    assert all(parameter.grad is not None and parameter.grad.any() for parameter in layer.parameters())


def test_what_the_soma_knows_can_be_asked_of_the_layer() -> None:
    layer = copy.deepcopy(linear(1))
    assert layer.in_features == 3
    assert layer.weight is layer.soma.weight
    with pytest.raises(AttributeError, match="no_such_thing"):
        _ = layer.no_such_thing


@pytest.mark.parametrize("dendrites", [1, 3])
def test_it_traces_without_a_trace_of_python(dendrites: int) -> None:
    layer, x = linear(dendrites), torch.randn(5, 3)
    traced = torch.export.export(layer, (x,)).module()
    torch.testing.assert_close(traced(x), layer(x), rtol=0, atol=0)


def test_activations_are_found_by_any_of_their_names() -> None:
    assert activation("torch.tanh") is activation("tanh") is activation("Tanh") is torch.tanh
    assert activation("torch.nn.functional.gelu") is nn.functional.gelu
    with pytest.raises(InputError, match="unknown dendrite activation 'sigmid'; did you mean 'sigmoid'"):
        activation("sigmid")
