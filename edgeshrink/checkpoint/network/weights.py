"""Tensors into a network without a second copy of them in memory."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor, nn

__all__ = ["put_weights", "tied_parameters"]


def put_weights(network: nn.Module, tensors: Mapping[str, Tensor]) -> None:
    """Make ``tensors``, whose shapes fit, the network's parameters and buffers.

    They are taken as they are, perhaps still on disk behind a memory map, so that the ones the network was
    built with can go; only another dtype than the network's makes a copy. Parameters that the network ties
    stay tied.
    """
    own = network.state_dict()
    fitting = {name: t.to(own[name].dtype) if name in own else t for name, t in tensors.items()}
    tied = tied_parameters(network)
    del own
    network.load_state_dict(fitting, strict=False, assign=True)
    for names in tied:
        given = next((name for name in names if name in tensors), None)
        if given is not None:
            _tie(network, given, names)


def tied_parameters(network: nn.Module) -> list[list[str]]:
    """The names of each parameter or buffer that has several."""
    names: dict[int, list[str]] = {}
    for name, tensor in (
        *network.named_parameters(remove_duplicate=False),
        *network.named_buffers(remove_duplicate=False),
    ):
        names.setdefault(id(tensor), []).append(name)
    return [group for group in names.values() if len(group) > 1]


def _tie(network: nn.Module, first: str, names: list[str]) -> None:
    """Let every name mean what ``first`` means."""
    owner, _, name = first.rpartition(".")
    tensor = getattr(network.get_submodule(owner), name)
    for other in names:
        owner, _, name = other.rpartition(".")
        setattr(network.get_submodule(owner), name, tensor)
