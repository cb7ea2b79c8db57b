"""Bare pickles, torch's format before 1.6 among them: never run, refused with the names they import."""

from __future__ import annotations

from pathlib import Path

from edgeshrink.checkpoint.pickles import names_imported, refusal
from edgeshrink.checkpoint.registry import register_container
from edgeshrink.checkpoint.stored import Opening, Stored
from edgeshrink.errors import InputError

__all__ = ["PickleFile"]

_LEGACY_TORCH = b"\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19."  # the magic number 0x1950a86a20f9469cfc6c, pickled
_LARGEST_BYTES = 64_000_000  # how far into a pickle the names are looked for


@register_container
class PickleFile:
    """A pickle outside any archive."""

    name = "pickle"
    title = "pickle"

    def recognises(self, path: Path, head: bytes) -> bool:
        """Look for a protocol mark, or, before protocol 2, for a pickle that imports something."""
        if head[0] == 0x80:
            return head[1:2] in (b"\x02", b"\x03", b"\x04", b"\x05")
        return bool(_names(path))

    def check(self, path: Path) -> None:
        """Refuse, naming what it would import."""
        with path.open("rb") as file:
            legacy = _LEGACY_TORCH in file.read(32)
        if legacy:
            raise InputError(
                f"{path} was written in torch's format from before 1.6, a bare pickle",
                "Nothing of it was run. Where it was trained, load it and save it again with a newer torch: "
                "torch.save(net.state_dict(), 'weights.pt').",
            )
        raise refusal(path, _names(path) or ["nothing that could be told: it is damaged or cut short"])

    def read(self, path: Path, opening: Opening) -> Stored:
        """Never reached: ``check`` refuses."""
        raise NotImplementedError


def _names(path: Path) -> list[str]:
    with path.open("rb") as file:
        data = file.read(_LARGEST_BYTES)
    try:
        return names_imported(data)
    except (ValueError, OverflowError, MemoryError, UnicodeDecodeError):
        return []
