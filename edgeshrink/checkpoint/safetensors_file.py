"""Safetensors: 8 bytes of header length, a JSON header, data. PerforatedAI writes these, named .pt."""

from __future__ import annotations

import struct
from pathlib import Path

from edgeshrink.checkpoint.registry import register_container
from edgeshrink.checkpoint.stored import Opening, Stored
from edgeshrink.errors import InputError

__all__ = ["SafetensorsFile"]


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
        """Read all tensors."""
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        try:
            tensors = load_file(path)
        except (SafetensorError, OSError, ValueError, KeyError, AttributeError) as error:
            raise _damaged(path, error) from error
        return Stored({name: tensors[name] for name in sorted(tensors, key=_natural)})


def _natural(name: str) -> list[tuple[int, str]]:
    """Sort key that puts layer 10 after layer 9; the file itself keeps no order worth having."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in name.split(".")]


def _damaged(path: Path, error: Exception) -> InputError:
    return InputError(
        f"{path} is a safetensors file, but damaged or cut short ({path.stat().st_size} bytes): {error}",
        "Copy or download it again, or save it again where it was trained.",
    )
