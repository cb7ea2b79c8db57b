"""Safetensors: 8 bytes of header length, a JSON header, data. PerforatedAI writes these, named .pt.

Tensors that a network has under several names are stored once; the header's metadata lists the other names:
``{name: stored name}`` as safetensors' own ``save_model`` writes it, or the same as JSON under the key
``weight_tying`` as PerforatedAI does.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from edgeshrink.checkpoint.containers.stored import Opening, Stored
from edgeshrink.checkpoint.listing import first_of
from edgeshrink.checkpoint.registry import register_container
from edgeshrink.errors import InputError

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["SafetensorsFile"]

_WEIGHT_TYING = "weight_tying"
_SHOWN = 80


@register_container
class SafetensorsFile:
    """The safetensors library checks every offset and shape against the file's size before reading."""

    name = "safetensors"
    title = "safetensors"

    def recognises(self, path: Path, head: bytes) -> bool:
        """Look for the header's opening brace after its length."""
        return len(head) > 8 and head[8:9] == b"{" and struct.unpack("<Q", head[:8])[0] < 2**40

    def check(self, path: Path) -> None:
        """Open the file, which reads and checks its header."""
        from safetensors import SafetensorError, safe_open

        try:
            with safe_open(path, framework="np"):
                pass
        except (SafetensorError, OSError, ValueError) as error:
            raise _damaged(path, error) from error

    def read(self, path: Path, opening: Opening) -> Stored:
        """Read all tensors, under all their names."""
        from safetensors import SafetensorError, safe_open
        from safetensors.torch import load_file

        try:
            tensors = load_file(path)
            with safe_open(path, framework="np") as file:
                metadata = file.metadata() or {}
        except (SafetensorError, OSError, ValueError, KeyError, AttributeError) as error:
            raise _damaged(path, error) from error
        names = _other_names(metadata, tensors)
        lost = [name for name, stored in names.items() if stored not in tensors]
        tensors |= {name: tensors[stored] for name, stored in names.items() if stored in tensors}
        return Stored(
            {name: tensors[name] for name in sorted(tensors, key=_natural)},
            warnings=(_untied(path, lost),) if lost else (),
        )


def _other_names(metadata: Mapping[str, str], tensors: Mapping[str, Tensor]) -> dict[str, str]:
    """Names that the metadata gives to stored tensors -> the stored names; a stored tensor's own name wins.

    Of safetensors' own metadata, which has keys of any meaning, only what names a stored tensor is one.
    """
    names = {name: stored for name, stored in metadata.items() if stored in tensors}
    try:
        tied = json.loads(metadata.get(_WEIGHT_TYING, "{}"))
    except (ValueError, RecursionError):
        tied = None
    if isinstance(tied, dict):
        names |= {name: stored for name, stored in tied.items() if isinstance(stored, str)}
    return {name: stored for name, stored in names.items() if name not in tensors}


def _untied(path: Path, lost: list[str]) -> str:
    names = first_of((name[:_SHOWN] for name in lost), 1)
    return f"{path.name} ties {names} to tensors that it does not hold: these are left out"


def _natural(name: str) -> list[tuple[int, str]]:
    """Sort key that puts layer 10 after layer 9; the file itself keeps no order worth having."""
    return [_numeric(part) if part.isdecimal() else (-1, part) for part in name.split(".")]


def _numeric(digits: str) -> tuple[int, str]:
    """Order numbers by length, then by digits: a name may have more digits than Python would read."""
    digits = digits.lstrip("0")
    return len(digits), digits


def _damaged(path: Path, error: Exception) -> InputError:
    return InputError(
        f"{path} is a safetensors file, but damaged or cut short ({path.stat().st_size} bytes): {error}",
        "Copy or download it again, or save it again where it was trained.",
    )
