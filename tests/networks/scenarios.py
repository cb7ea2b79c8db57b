"""What pruning, and less tidy things, do to a network: functions that change one in place.

Those of `IDEALS` leave a network that is as good as a smaller one of the same class: how many units of each
space are left there is what they tell.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn

from tests.networks.parts import Attention

__all__ = ["IDEALS", "SCENARIOS", "Scenario"]

Scenario = Callable[[nn.Module], None]
Left = Callable[[str, int], int]

_WEIGHTED = (nn.Conv2d, nn.ConvTranspose2d, nn.Linear, nn.Embedding)


def half(space: str, size: int) -> int:
    """Half the units of every space stay, rounded up."""
    return size - size // 2


def half_of_heads(space: str, size: int) -> int:
    """Half the heads stay, and everything else."""
    return half(space, size) if space.endswith(".heads") else size


def half_of_layers(space: str, size: int) -> int:
    """Half of the units stay that a layer writes, and all heads and recurrent states: none is copied."""
    return size if space.endswith(".heads") or space == "hidden" else half(space, size)


def masked_with_zero_bias(network: nn.Module) -> None:
    """Half of each space is zero, and so is all that would give it a constant."""
    for layer, dead in _spaces(network):
        _silence(layer, dead, live=False)


def masked_with_live_bias(network: nn.Module) -> None:
    """Half of each space's weights are zero; biases and BatchNorms stay."""
    for layer, dead in _spaces(network):
        _silence(layer, dead, live=True)


def unread(network: nn.Module) -> None:
    """Half of the columns of every layer are zero, others in each."""
    draw = torch.Generator().manual_seed(1)
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear) and layer.weight.shape[1] > 3:
            columns = layer.weight.shape[1]
            layer.weight[:, torch.randperm(columns, generator=draw)[: columns // 2]] = 0


def masked_blocks(network: nn.Module) -> None:
    """Every third layer with a space is zero as a whole, BatchNorm included."""
    for index, (layer, _) in enumerate(_spaces(network)):
        if index // 2 % 3 == 1:
            units = layer.hidden_size if isinstance(layer, nn.RNNBase) else _count(layer)
            _silence(layer, torch.arange(units), live=False)


def masked_heads(network: nn.Module) -> None:
    """The output projection of attention reads half of the heads with zeros."""
    for layer in network.modules():
        if isinstance(layer, Attention):
            for head in _dead(layer.head_space, layer.heads).tolist():
                layer.out.weight[:, head * layer.size : (head + 1) * layer.size] = 0


def duplicated(network: nn.Module) -> None:
    """Half the units of each space are copies of others, in all layers of the space alike."""
    for layer, dead in _spaces(network):
        if isinstance(layer, nn.RNNBase | Attention):
            continue
        alive = [unit for unit in range(_count(layer)) if unit not in set(dead.tolist())]
        source = torch.tensor(alive)[torch.arange(len(dead)) % len(alive)]
        for tensor in [*layer.parameters(recurse=False), *layer.buffers(recurse=False)]:
            if tensor.dim() and isinstance(layer, nn.ConvTranspose2d) and tensor.dim() > 1:
                tensor[:, dead] = tensor[:, source]
            elif tensor.dim():
                tensor[dead] = tensor[source]


def unstructured(share: float) -> Scenario:
    """That share of all weights is zero, anywhere."""

    def prune(network: nn.Module) -> None:
        draw = torch.Generator().manual_seed(2)
        for tensor in _weights(network):
            tensor[torch.rand(tensor.shape, generator=draw) < share] = 0

    return prune


def a_zero_layer(network: nn.Module) -> None:
    """One layer in the middle has no weight that is not zero."""
    weights = [layer.weight for layer in network.modules() if isinstance(layer, _WEIGHTED)]
    if weights:
        weights[len(weights) // 2].zero_()


def nothing(network: nn.Module) -> None:
    """All stays."""


SCENARIOS: dict[str, Scenario] = {
    "zero bias": masked_with_zero_bias,
    "live bias": masked_with_live_bias,
    "unread": unread,
    "blocks": masked_blocks,
    "heads": masked_heads,
    "duplicated": duplicated,
    "60% zeros": unstructured(0.6),
    "99% zeros": unstructured(0.99),
    "zero layer": a_zero_layer,
    "nothing": nothing,
}

IDEALS: dict[str, Left] = {
    "zero bias": half,
    "live bias": half,
    "heads": half_of_heads,
    "duplicated": half_of_layers,
    "nothing": lambda _, size: size,
}


def _dead(space: str, size: int) -> Tensor:
    """Half the units of a space, the same for all its layers."""
    draw = torch.Generator().manual_seed(zlib.crc32(space.encode()))
    return torch.randperm(size, generator=draw)[: size // 2]


def _count(layer: nn.Module) -> int:
    return layer.heads if isinstance(layer, Attention) else _rows(layer)


def _rows(layer: nn.Module) -> int:
    axis = 1 if isinstance(layer, nn.ConvTranspose2d) else 0
    return layer.weight.shape[axis]


def _spaces(network: nn.Module) -> Iterator[tuple[nn.Module, Tensor]]:
    """Every layer that says its space, with the units of it that are dead."""
    for layer in network.modules():
        if isinstance(layer, Attention):
            yield layer, _dead(layer.head_space, layer.heads)
        elif "space" in vars(layer):
            size = layer.hidden_size if isinstance(layer, nn.RNNBase) else _rows(layer)
            yield layer, _dead(layer.space, size)


def _silence(layer: nn.Module, dead: Tensor, *, live: bool) -> None:
    """Zero the rows of dead units; where biases do not stay `live`, all that gives them a constant too."""
    if isinstance(layer, Attention):
        units = (dead[:, None] * layer.size + torch.arange(layer.size)).reshape(-1)
        for projection in (layer.query, layer.key, layer.value):
            projection.weight[units] = 0
            projection.bias[units] *= 1.0 if live and projection is not layer.value else 0.0
    elif isinstance(layer, nn.RNNBase):
        gates = layer.weight_ih_l0.shape[0] // layer.hidden_size
        rows = (torch.arange(gates)[:, None] * layer.hidden_size + dead).reshape(-1)
        for parameter in layer.parameters():
            parameter[rows] = 0
    elif isinstance(layer, nn.BatchNorm2d):
        if not live:
            layer.bias[dead] = 0
            layer.running_mean[dead] = 0
    else:
        (layer.weight.swapaxes(0, 1) if isinstance(layer, nn.ConvTranspose2d) else layer.weight)[dead] = 0
        if layer.bias is not None and not live:
            layer.bias[dead] = 0


def _weights(network: nn.Module) -> list[Tensor]:
    """All weights but those of norms."""
    made = []
    for layer in network.modules():
        if isinstance(layer, _WEIGHTED):
            made.append(layer.weight)
        elif isinstance(layer, nn.RNNBase):
            made += [parameter for parameter in layer.parameters() if parameter.dim() > 1]
    return made
