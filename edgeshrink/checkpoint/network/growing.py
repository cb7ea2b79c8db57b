"""A plain layer -> the same with its dendrites around it, their weights still to come."""

from __future__ import annotations

import copy
from collections.abc import Container
from typing import TYPE_CHECKING

from edgeshrink.errors import InputError

if TYPE_CHECKING:
    from torch import Tensor, nn

    from edgeshrink.checkpoint.layouts.arranged import Dendrites

__all__ = ["grow"]


def grow(
    soma: nn.Module, dendrites: Dendrites, names: list[set[str]], activation: str, layer: str
) -> nn.Module:
    """Put copies of a layer around it as its dendrites.

    Args:
        soma: The layer.
        dendrites: What the checkpoint has of its dendrites.
        names: Per dendrite, the names in the layer that the checkpoint has tensors for. Those get no memory
            here (torch's meta device), as the tensors take their place: D dendrites of a large layer would
            cost D layers, and a small file that claims many could fill the memory.
        activation: The dendrites' activation.
        layer: The layer's path, for the message.

    Raises:
        InputError: The layer cannot be copied.
    """
    from edgeshrink.dendrites import DendriticLayer

    try:
        branches = [_copy(soma, given) for given in names]
    except RuntimeError as error:
        raise InputError(
            f"layer {layer} of the network cannot be copied for its dendrites: {error}",
            "Let the factory return the network as it was before pruning; masks come from the checkpoint.",
        ) from error
    channels = dendrites.top.shape[1]
    grown = DendriticLayer(soma, branches, channels, channel_dim=dendrites.channel_dim, activation=activation)
    dtype = next(
        (tensor.dtype for tensor in soma.parameters() if tensor.is_floating_point()), grown.top.dtype
    )
    for weights in (grown.top, *grown.between):
        weights.data = weights.data.to(dtype)  # else a network of half precision would leave it here
    return grown


def _copy(soma: nn.Module, given: Container[str]) -> nn.Module:
    """A deep copy in which tensors that will be replaced are without memory."""
    tensors = soma.state_dict(keep_vars=True)
    memo = {id(tensor): _empty(tensor) for name, tensor in tensors.items() if name in given}
    return copy.deepcopy(soma, memo)


def _empty(tensor: Tensor) -> Tensor:
    import torch

    empty = torch.empty_like(tensor, device="meta")
    if isinstance(tensor, torch.nn.Parameter):
        return torch.nn.Parameter(empty, requires_grad=tensor.requires_grad)
    return empty
