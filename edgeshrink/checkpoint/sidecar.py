"""Masks in a file of their own: parameter name -> 0/1 array, in torch's zip, safetensors or .npz."""

from __future__ import annotations

import difflib
import zipfile
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from edgeshrink.checkpoint.masks import apply_mask
from edgeshrink.checkpoint.names import strip_prefix
from edgeshrink.checkpoint.registry import container_of
from edgeshrink.checkpoint.stored import Opening
from edgeshrink.checkpoint.zips import entry_names
from edgeshrink.errors import InputError

if TYPE_CHECKING:
    from torch import Tensor

    from edgeshrink.checkpoint.arranged import Arranged

__all__ = ["read_sidecar"]

_HEADER_BYTES = 4096  # room for an .npy header beside the mask itself


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
        close = difflib.get_close_matches(name, aliases, n=1, cutoff=0.4)
        raise InputError(
            f"{path} has a mask for {name!r}, and the checkpoint has no such parameter",
            f"Did you mean {close[0]!r}?" if close else "Name each mask after its parameter.",
        )

    tensors, masked = dict(tensors), {}
    for name, mask in _read_masks(path, lambda name: tensors[parameter(name)]).items():
        target = parameter(name)
        if not bool(((mask == 0) | (mask == 1)).all()):
            raise InputError(
                f"{path}: the mask of {name!r} has values other than 0 and 1", "Give 0/1 or boolean masks."
            )
        tensors[target], masked[target] = apply_mask(name, tensors[target], mask)
    return tensors, masked


def _aliases(tensors: Mapping[str, Tensor], arranged: Arranged) -> dict[str, str]:
    """Map every name a mask may use to the checkpoint's: its own, or the plain network's."""
    plain = dict(arranged.source)
    unwrapped = {name.replace(".model.", "."): source for name, source in plain.items()}
    return unwrapped | plain | {name: name for name in tensors}


def _read_masks(path: Path, parameter: Callable[[str], Tensor]) -> dict[str, Tensor]:
    entries = entry_names(path) if path.is_file() else None
    if entries and all(name.endswith(".npy") for name in entries):
        return _read_npz(path, parameter)
    container = container_of(path)
    if container.name == "onnx":
        raise InputError(
            f"{path} is an ONNX model, not masks", "Give a .pt, .safetensors or .npz file of 0/1 arrays."
        )
    return container.read(path, Opening()).tensors


def _read_npz(path: Path, parameter: Callable[[str], Tensor]) -> dict[str, Tensor]:
    """Read an .npz, refusing any array that claims more bytes than a mask of its parameter can have."""
    import numpy as np
    import torch

    try:
        with zipfile.ZipFile(path) as archive:
            for info in archive.infolist():
                if info.file_size > 8 * parameter(info.filename.removesuffix(".npy")).numel() + _HEADER_BYTES:
                    raise InputError(
                        f"{path}: {info.filename} claims {info.file_size} bytes, too many for its parameter",
                        "Save one 0/1 array of the parameter's shape.",
                    )
        with np.load(path, allow_pickle=False) as arrays:
            return {name: torch.from_numpy(np.asarray(arrays[name])) for name in arrays.files}
    except (OSError, ValueError, TypeError, EOFError, RuntimeError, zlib.error, zipfile.BadZipFile) as error:
        raise InputError(
            f"{path} is a NumPy archive, but cannot be read: {error}",
            "Save it again with numpy.savez_compressed.",
        ) from error
