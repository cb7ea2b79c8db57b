"""Masks in a file of their own: parameter name -> 0/1 array, in torch's zip, safetensors or .npz.

Names may be nested, as NNI writes them: {layer: {"weight": mask, "bias": None}}.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from edgeshrink.checkpoint.containers.stored import Opening
from edgeshrink.checkpoint.containers.zips import entry_names
from edgeshrink.checkpoint.masks.masking import apply_mask, oddity, require_mask
from edgeshrink.checkpoint.network.prefixes import strip_prefix
from edgeshrink.checkpoint.registry import container_of
from edgeshrink.errors import InputError
from edgeshrink.inputs import Array
from edgeshrink.npz import read_npz

if TYPE_CHECKING:
    from torch import Tensor

    from edgeshrink.checkpoint.layouts.arranged import Arranged

__all__ = ["read_sidecar"]

_WIDEST = 8  # bytes of an element
_WRAPPERS = ("masks", "mask", "mask_dict", "state_dict")
_DEEPEST = 8  # of nested dictionaries
_WHOLE = "Give a file of 0/1 arrays by parameter name; a pruned checkpoint goes in place of the checkpoint."


def read_sidecar(
    path: Path, tensors: dict[str, Tensor], arranged: Arranged
) -> tuple[dict[str, Tensor], dict[str, int]]:
    """Apply a sidecar's masks.

    Args:
        path: The file with the masks.
        tensors: Name in the checkpoint -> parameter.
        arranged: The same tensors, for their plain names.

    Returns:
        The tensors with masks applied, and name in the checkpoint -> number of elements masked out.

    Raises:
        InputError: The file cannot be read, a name is no parameter's, a shape or a value does not fit.
    """
    aliases = _aliases(tensors, arranged)

    def parameter(name: str) -> str:
        for candidate in (name, name.removesuffix("_mask")):
            if found := aliases.get(strip_prefix(candidate)):
                return found
        of_module = [f"{name}.weight"] if f"{name}.weight" in aliases else []
        close = of_module or difflib.get_close_matches(name, aliases, n=1, cutoff=0.4)
        raise InputError(
            f"{path} has a mask for {name!r}, and the checkpoint has no such parameter",
            f"Did you mean {close[0]!r}?" if close else "Name each mask after its parameter.",
        )

    masks = _read_masks(path, lambda name: tensors[parameter(name)])
    _refuse_checkpoint(path, masks)
    originals, masked = tensors, dict[str, int]()
    tensors = dict(originals)
    for name, mask in masks.items():
        target = parameter(name)
        if target in masked:
            raise InputError(f"{path} has two masks for {target!r}", "Save one mask a parameter.")
        require_mask(name, mask)
        fitted = _fitted(path, name, mask, tensors[target])
        if fitted.shape == tensors[target].shape and not _is_binary(mask):
            raise InputError(
                f"{path}: the mask of {name!r} has values other than 0 and 1", "Give 0/1 or boolean masks."
            )
        tensors[target], masked[target] = apply_mask(name, tensors[target], fitted)
    for target, others in _tied(originals, masked).items():
        for other in others:  # one tensor in the file, whose mask came under one of its names
            tensors[other], masked[other] = tensors[target], masked[target]
    return tensors, masked


def _tied(tensors: Mapping[str, Tensor], masked: Mapping[str, int]) -> dict[str, list[str]]:
    """For each masked parameter the names that are the same bytes of the file, and have no mask."""
    places: dict[tuple[object, ...], list[str]] = {}
    for name, tensor in tensors.items():
        if tensor.numel() and not oddity(tensor):
            place = (tensor.data_ptr(), tensor.dtype, tensor.shape, tensor.stride())
            places.setdefault(place, []).append(name)
    groups = (group for group in places.values() if len(group) > 1)
    with_mask = (([n for n in group if n in masked], group) for group in groups)
    return {has[0]: [n for n in group if n not in masked] for has, group in with_mask if has}


def _fitted(path: Path, name: str, mask: Tensor, parameter: Tensor) -> Tensor:
    """A mask in its parameter's shape: it has it, or one value a filter, with sizes 1 for the rest."""
    shape = tuple(parameter.shape)
    if mask.dim() == len(shape) and all(m in (1, p) for m, p in zip(mask.shape, shape, strict=True)):
        return mask.expand(shape)
    if len(shape) > 1 and tuple(mask.shape) == shape[:1]:
        ones = ", ".join("1" for _ in shape[1:])
        raise InputError(
            f"{path}: the mask of {name!r} has {shape[0]} values for a parameter of shape {shape}",
            f"Where each is for one filter, save mask.reshape(-1, {ones}).",
        )
    return mask  # masking says what does not fit


def _is_binary(mask: Tensor) -> bool:
    return bool(((mask == 0) | (mask == 1)).all())


def _refuse_checkpoint(path: Path, masks: Mapping[str, Tensor]) -> None:
    """Say so where a file of weights was given as masks."""
    weights = [name for name, mask in masks.items() if mask.is_floating_point() and _has_weights(mask)]
    told = [name for name in masks if name.endswith(("_orig", ".running_mean", ".running_var"))]
    if told or (len(weights) > 1 and 2 * len(weights) >= len(masks)):
        raise InputError(f"{path} is a checkpoint, not masks: {(told or weights)[0]!r} holds weights", _WHOLE)


def _has_weights(mask: Tensor) -> bool:
    """Tell weights from a mask by a first few values, in whatever layout."""
    import torch

    if mask.layout != torch.strided or mask.is_meta or mask.is_quantized:
        return False
    whole = mask.numel() * mask.element_size() <= mask.untyped_storage().nbytes()  # one value is no million
    return whole and not _is_binary(mask.flatten()[:4096])


def _aliases(tensors: Mapping[str, Tensor], arranged: Arranged) -> dict[str, str]:
    """Map every name a mask may use to the checkpoint's: its own, or the plain network's."""
    plain = dict(arranged.source)
    unwrapped = {name.replace(".model.", "."): source for name, source in plain.items()}
    return unwrapped | plain | {name: name for name in tensors}


def _read_masks(path: Path, parameter: Callable[[str], Tensor]) -> dict[str, Tensor]:
    entries = entry_names(path) if path.is_file() else None
    if entries and any(name.endswith(".npy") for name in entries):
        return _read_npz(path, parameter)
    container = container_of(path)
    if container.name == "onnx":
        raise InputError(
            f"{path} is an ONNX model, not masks", "Give a .pt, .safetensors or .npz file of 0/1 arrays."
        )
    if container.name == "torch-zip" and (nested := _read_nested(path)):
        return nested
    stored = container.read(path, Opening())
    if stored.network is not None:
        raise InputError(f"{path} is a whole network, not masks", _WHOLE)
    return stored.tensors


def _read_npz(path: Path, parameter: Callable[[str], Tensor]) -> dict[str, Tensor]:
    """Read an .npz, no array of which may take more than the widest mask of its parameter."""
    import torch

    hint = "Save 0/1 arrays of the parameters' shapes with numpy.savez_compressed(path, **masks)."
    arrays = read_npz(path, hint, most=lambda name: _WIDEST * parameter(name).numel())
    return {name: torch.from_numpy(_for_torch(path, name, array)) for name, array in arrays.items()}


def _for_torch(path: Path, name: str, array: Array) -> Array:
    """An array in a type that torch has and computes with: it has few unsigned ones."""
    if array.dtype.kind not in "biuf" or array.dtype.itemsize > _WIDEST:
        raise InputError(
            f"{path}: the mask of {name!r} has elements of type {array.dtype}", "Give 0/1 or boolean masks."
        )
    if array.dtype.kind == "u" and array.dtype.itemsize > 1:
        return array.astype("int64")
    return array


def _read_nested(path: Path) -> dict[str, Tensor]:
    """Masks in dictionaries of dictionaries; nothing where the file holds anything else beside."""
    import torch

    try:
        content = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except Exception:  # torch's reader raises almost anything; the container says what it is
        return {}
    while isinstance(content, Mapping) and len(content) == 1 and (key := next(iter(content))) in _WRAPPERS:
        content = content[key]
    if not isinstance(content, Mapping) or not any(isinstance(part, Mapping) for part in content.values()):
        return {}
    flat = list(_flattened(content, ""))
    masks = {name: part.detach() for name, part in flat if isinstance(part, torch.Tensor)}
    return masks if len(masks) == len(flat) else {}


def _flattened(content: Mapping[object, object], prefix: str, depth: int = 0) -> Iterator[tuple[str, object]]:
    for key, part in content.items():
        if isinstance(part, Mapping) and depth < _DEEPEST:
            yield from _flattened(part, f"{prefix}{key}.", depth + 1)
        elif part is not None:  # NNI's word for a layer without this parameter, or without a mask for it
            yield f"{prefix}{key}", part
