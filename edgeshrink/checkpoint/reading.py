"""File -> contents: container, names, masks, layout, facts, in that order."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from edgeshrink.checkpoint.activation import choose_activation, ignored_activation
from edgeshrink.checkpoint.containers.stored import Opening, Stored
from edgeshrink.checkpoint.contents import CheckpointContents
from edgeshrink.checkpoint.masks.baking import bake_masks
from edgeshrink.checkpoint.masks.masking import mask_file_warning, oddity
from edgeshrink.checkpoint.masks.parametrizations import Found
from edgeshrink.checkpoint.masks.sidecar import read_sidecar
from edgeshrink.checkpoint.network.prefixes import strip_prefixes
from edgeshrink.checkpoint.registry import container_of, layout_of
from edgeshrink.errors import InputError

if TYPE_CHECKING:
    from torch import Tensor

    from edgeshrink.checkpoint.layouts.arranged import Arranged
    from edgeshrink.checkpoint.registry import Container, Layout

__all__ = ["Reading", "read", "read_file"]

# What the tensors of a file may take in memory once widened and masked: several times the file (float8 grows
# fourfold, a few tensors may share their storage), and room for files that are small.
_MOST_TIMES_FILE = 5
_MOST_BYTES_BESIDE = 256_000_000
_LONGEST_NAME = 10_000  # names are compared, split and shown
_MOST_TENSORS = 50_000  # each takes a fraction of a millisecond at several steps, whatever its size


@dataclass(frozen=True)
class Reading:
    """A file read.

    Attributes:
        contents: What it holds.
        arranged: Its tensors sorted by meaning.
        stored: What its container gave.
        bare: Names of parameters that a parametrization may stand over, and of which it stored nothing.
    """

    contents: CheckpointContents
    arranged: Arranged
    stored: Stored
    bare: frozenset[str]


def read(
    path: Path | str,
    *,
    arch: str | None = None,
    masks: Path | str | None = None,
    dendrite_activation: str | None = None,
    trust_pickle: bool = False,
) -> CheckpointContents:
    """Read a checkpoint as far as its tensors tell, without the network's code.

    Args:
        path: The file.
        arch: ``MODULE`` or ``MODULE:FACTORY``: where a pickled network's own classes are looked up.
        masks: A sidecar file with masks: parameter name -> 0/1 array.
        dendrite_activation: The dendrites' activation, where the user says it.
        trust_pickle: Whether a pickle may run what it imports.

    Raises:
        InputError: The file or the masks cannot be read, or do not fit each other.
    """
    return read_file(path, Opening(arch, trust_pickle), masks, dendrite_activation).contents


def read_file(
    path: Path | str, opening: Opening, masks: Path | str | None, dendrite_activation: str | None
) -> Reading:
    """Read a checkpoint, and keep its tensors sorted by meaning for whoever builds the network."""
    path = Path(path)
    container = container_of(path)
    stored = container.read(path, opening)
    if not stored.tensors:
        raise InputError(f"{path} holds no tensors", "Save the trained network's state_dict.")
    _require_bounded(path, stored.tensors)
    _require_numbers(path, stored.tensors)
    named = stored.tensors if stored.complete else strip_prefixes(stored.tensors)
    tensors = {name: _widen(tensor) for name, tensor in named.items()}
    odd = "" if stored.complete else mask_file_warning(tensors)
    tensors, masked, parametrized = (tensors, {}, Found()) if stored.complete else bake_masks(tensors)
    layout = layout_of(() if stored.complete else tensors)
    arranged = layout.arrange(tensors)
    if masks is not None:
        tensors, more = read_sidecar(Path(masks), tensors, arranged)
        masked = masked | more
        arranged = layout.arrange(tensors)
    activation, source, warning = None, "no dendrites", ignored_activation(dendrite_activation)
    if arranged.dendrites:
        activation, source, warning = choose_activation(path, dendrite_activation)
    contents = CheckpointContents(
        path=path,
        format=_format(layout, container, stored),
        dropped=arranged.dropped,
        activation=activation,
        activation_source=source,
        warnings=(
            *stored.warnings,
            *parametrized.warnings,
            *arranged.warnings,
            *filter(None, (warning, odd)),
        ),
        holds_network=stored.network is not None,
        inputs=stored.inputs,
        _arranged=arranged,
        _masked=masked,
    )
    return Reading(contents, arranged, stored, frozenset(parametrized.unmasked))


def _format(layout: Layout, container: Container, stored: Stored) -> str:
    """What a file is, for people."""
    if stored.complete:
        return container.title
    whole = stored.network is not None or stored.network_problem is not None
    return f"{'whole network, ' if whole else ''}{layout.title} ({container.title})"


def _widen(tensor: Tensor) -> Tensor:
    """Give types that torch stores and hardly computes with (uint16, float8, ...) a wider sibling."""
    import torch

    if tensor.is_floating_point() and tensor.element_size() == 1:
        return tensor.to(torch.float32)
    return tensor.to(torch.int64) if tensor.dtype in (torch.uint16, torch.uint32, torch.uint64) else tensor


def _require_numbers(path: Path, tensors: dict[str, Tensor]) -> None:
    """Refuse tensors that nothing can be computed with as they are stored."""
    for name, tensor in tensors.items():
        if odd := oddity(tensor):
            raise InputError(
                f"tensor {name} of {path} is {odd}", "Save the network's weights as dense tensors of numbers."
            )


def _require_bounded(path: Path, tensors: dict[str, Tensor]) -> None:
    """Refuse tensors by the ten thousand, and such as share few bytes: each takes memory once worked on."""
    if len(tensors) > _MOST_TENSORS:
        raise InputError(
            f"{path} holds {len(tensors):,} tensors, and no network of more than {_MOST_TENSORS:,} is read",
            "Give the state_dict of one network, for one board.",
        )
    if long := next((name for name in tensors if len(name) > _LONGEST_NAME), None):
        raise InputError(
            f"{path} holds a tensor with a name of {len(long):,} characters: {long[:60]!r}...",
            "The file is damaged, or no state_dict: save it again where it was trained.",
        )
    needed = sum(tensor.numel() * max(4, tensor.element_size()) for tensor in tensors.values())
    size = path.stat().st_size
    if needed > _MOST_TIMES_FILE * size + _MOST_BYTES_BESIDE:
        raise InputError(
            f"the tensors of {path} would take {needed / 1e9:.1f} GB, and the file has {size / 1e6:.1f} MB: "
            "many share the same bytes",
            "Save the state_dict with each tensor cloned, or without the ones that no layer owns.",
        )
