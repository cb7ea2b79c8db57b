"""What a factory's network may have that no file of tensors can fill, and layers that torch may pass by."""

from __future__ import annotations

from collections.abc import Container
from typing import TYPE_CHECKING

from edgeshrink.checkpoint.listing import first_of
from edgeshrink.errors import InputError

if TYPE_CHECKING:
    from torch import nn

__all__ = ["half_grown", "passed_by", "require_loadable"]

_EXTRA = "_extra_state"
_SHOWN = 4


def require_loadable(network: nn.Module, origin: str) -> None:
    """Refuse a network whose parameters have no shape yet, or that keeps state which is no tensor.

    Raises:
        InputError: It has lazy layers that never ran, or layers whose get_extra_state gives no tensor.
    """
    import torch

    for path, module in network.named_modules():
        tensors = (*module._parameters.values(), *module._buffers.values())
        if any(tensor is not None and torch.nn.parameter.is_lazy(tensor) for tensor in tensors):
            raise InputError(
                f"layer {path or 'the network itself'} of the network of {origin} is lazy "
                f"({type(module).__name__}): its weights have no shape before it first runs",
                "Let the factory run the network once on an example, or build it with the trained sizes.",
            )
    for name, state in network.state_dict().items():
        if name.endswith(_EXTRA) and state is not None and not isinstance(state, torch.Tensor):
            layer = name.removesuffix(_EXTRA).rstrip(".")
            raise InputError(
                f"layer {layer or 'the network itself'} of the network of {origin} keeps a "
                f"{type(state).__name__} as state (get_extra_state), and only tensors are read from a file",
                "Let it keep tensors in buffers (register_buffer), or load the weights in Python and save "
                "torch.export.save(torch.export.export(net.eval(), example), 'net.pt2').",
            )


def half_grown(network: nn.Module, dendritic: Container[str]) -> str | None:
    """Warn of a layer under several names that has dendrites under some of them only.

    PerforatedAI perforates a layer that has two names under one of them; the other runs it plain.

    Args:
        network: The plain network, before any dendrites.
        dendritic: Paths of the layers that the file has dendrites for.
    """
    names: dict[int, list[str]] = {}
    for path, module in network.named_modules(remove_duplicate=False):
        names.setdefault(id(module), []).append(path)
    halves = [
        f"{grown[0]} (also {', '.join(path for path in paths if path not in dendritic)})"
        for paths in names.values()
        if (grown := [path for path in paths if path in dendritic]) and len(grown) < len(paths)
    ]
    if not halves:
        return None
    return (
        f"layers with several names have dendrites under one of them only: {first_of(halves, _SHOWN)}; under "
        "the other names they run without, as the file has none for those"
    )


def passed_by(network: nn.Module) -> str | None:
    """Warn of dendrites in torch's transformer layers, which run without them in PerforatedAI's network."""
    from torch import nn

    from edgeshrink.dendrites import DendriticLayer

    blocks = [
        f"{path}." if path else ""
        for path, module in network.named_modules()
        if isinstance(module, nn.TransformerEncoderLayer)
    ]
    found = [
        path
        for path, module in network.named_modules()
        if blocks and isinstance(module, DendriticLayer) and path.startswith(tuple(blocks))
    ]
    if not found:
        return None
    return (
        f"the dendrites of {first_of(found, _SHOWN)} are computed here, as in training; torch's fast "
        "path of TransformerEncoderLayer leaves them out where PerforatedAI's network runs in eval mode "
        "without gradients, so outputs and accuracy measured there may be without them"
    )
