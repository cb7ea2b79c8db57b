"""Dendritic variants: layers replaced by a soma and its dendrites, some of them dead."""

from __future__ import annotations

import copy

import torch
from torch import nn

from edgeshrink.dendrites import DendriticLayer
from tests.models import settled
from tests.networks.convolutional import vgg16
from tests.networks.parts import Widths
from tests.networks.recurrent import Recurrent
from tests.networks.resnet import resnet18

__all__ = ["dendritic_lstm", "dendritic_resnet18", "dendritic_vgg16"]


def grown(layer: nn.Module, channels: int, *, channel_dim: int = 1, activation: str = "sigmoid") -> nn.Module:
    """A layer with two dendrites and random mixing weights: half of the first's units reach nothing."""
    made = DendriticLayer(
        layer,
        [copy.deepcopy(layer) for _ in range(2)],
        channels,
        channel_dim=channel_dim,
        activation=activation,
    )
    with torch.no_grad():
        for dendrite in made.dendrites:
            for parameter in dendrite.parameters():
                parameter.add_(0.2 * torch.randn_like(parameter))
        made.between[0].normal_()
        made.top.normal_()
        made.top[0, ::2] = 0
        made.between[0][:, ::2] = 0
    return made


def _grow_where(network: nn.Module, kind: type[nn.Module], every: int, activation: str) -> nn.Module:
    """Grow dendrites on every so many of the layers of a kind."""
    chosen = [name for name, layer in network.named_modules() if isinstance(layer, kind)][1::every]
    for name in chosen:
        parent, _, own = name.rpartition(".")
        layer = network.get_submodule(name)
        setattr(
            network.get_submodule(parent), own, grown(layer, layer.weight.shape[0], activation=activation)
        )
    return network


def dendritic_resnet18(w: Widths) -> nn.Module:
    """Dendrites on every fourth convolution."""
    return _grow_where(resnet18(w), nn.Conv2d, 4, "sigmoid")


def dendritic_vgg16(w: Widths) -> nn.Module:
    """Dendrites on every third convolution; the last dendrite of each is dead."""
    network = _grow_where(vgg16(w), nn.Conv2d, 3, "relu")
    with torch.no_grad():
        for layer in network.modules():
            if isinstance(layer, DendriticLayer):
                layer.top[1] = 0
    return network


def dendritic_lstm(w: Widths) -> nn.Module:
    """Dendrites on the recurrent layers."""
    network = Recurrent(w, nn.LSTM, both=False)
    network.layers = grown(network.layers, network.layers.hidden_size, channel_dim=2, activation="tanh")
    return settled(network)
