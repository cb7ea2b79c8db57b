"""Bare pickles that are no file of torch's: never run, refused with the names they import."""

from __future__ import annotations

from pathlib import Path

from edgeshrink.checkpoint.containers.stored import Opening, Stored
from edgeshrink.checkpoint.pickles.refusal import names_imported, refusal
from edgeshrink.checkpoint.registry import register_container

__all__ = ["PickleFile"]

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
        raise refusal(path, _names(path) or ["nothing that could be told: it is damaged or cut short"])

    def read(self, path: Path, opening: Opening) -> Stored:
        """Never reached: ``check`` refuses."""
        raise NotImplementedError


def _names(path: Path) -> list[str]:
    with path.open("rb") as file:
        data = file.read(_LARGEST_BYTES)
    try:
        return names_imported(data, partly=data[:1] == b"\x80")
    except ValueError:
        return []
