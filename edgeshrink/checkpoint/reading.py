"""File -> contents: container, names, masks, layout, facts, in that order."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from edgeshrink.checkpoint.activation import choose_activation
from edgeshrink.checkpoint.contents import CheckpointContents
from edgeshrink.checkpoint.facts import layer_facts
from edgeshrink.checkpoint.masks import bake_masks
from edgeshrink.checkpoint.names import strip_prefixes
from edgeshrink.checkpoint.registry import container_of, layout_of
from edgeshrink.checkpoint.sidecar import read_sidecar
from edgeshrink.digest import sha256_of
from edgeshrink.errors import InputError

if TYPE_CHECKING:
    from torch import Tensor

    from edgeshrink.checkpoint.arranged import Arranged

__all__ = ["read", "read_arranged"]


def read(
    path: Path | str, *, masks: Path | str | None = None, dendrite_activation: str | None = None
) -> CheckpointContents:
    """Read a checkpoint as far as its tensors tell, without the network's code.

    Args:
        path: The file.
        masks: A sidecar file with masks: parameter name -> 0/1 array.
        dendrite_activation: The dendrites' activation, where the user says it.

    Raises:
        InputError: The file or the masks cannot be read, or do not fit each other.
    """
    return read_arranged(path, masks=masks, dendrite_activation=dendrite_activation)[0]


def read_arranged(
    path: Path | str, *, masks: Path | str | None = None, dendrite_activation: str | None = None
) -> tuple[CheckpointContents, Arranged]:
    """Read a checkpoint, and keep its tensors sorted by meaning for whoever builds the network."""
    path = Path(path)
    container = container_of(path)
    stored = strip_prefixes(container.read(path))
    tensors = {name: _widen(tensor) for name, tensor in stored.items()}
    if not tensors:
        raise InputError(f"{path} holds no tensors", "Save the trained network's state_dict.")
    tensors, masked = bake_masks(tensors)
    layout = layout_of(tensors)
    arranged = layout.arrange(tensors)
    if masks is not None:
        tensors, more = read_sidecar(Path(masks), tensors, arranged)
        masked = masked | more
        arranged = layout.arrange(tensors)
    name, source, warning = None, "no dendrites", None
    if arranged.dendrites:
        name, source, warning = choose_activation(path, dendrite_activation)
    contents = CheckpointContents(
        name=path.name,
        sha256=sha256_of(path),
        format=f"{layout.title} ({container.title})",
        layers=layer_facts(arranged, masked),
        dropped=arranged.dropped,
        activation=name,
        activation_source=source,
        warnings=(warning,) if warning else (),
        tensors=dict(arranged.everything()),
    )
    return contents, arranged


def _widen(tensor: Tensor) -> Tensor:
    """Give types that torch stores and hardly computes with (uint16, float8, ...) a wider sibling."""
    import torch

    if tensor.is_floating_point() and tensor.element_size() == 1:
        return tensor.to(torch.float32)
    return tensor.to(torch.int64) if tensor.dtype in (torch.uint16, torch.uint32, torch.uint64) else tensor
