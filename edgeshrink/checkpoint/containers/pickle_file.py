"""Bare pickles that are no file of torch's: never run, refused with the names they import."""

from __future__ import annotations

from pathlib import Path

from edgeshrink.checkpoint.containers.stored import Opening, Stored
from edgeshrink.checkpoint.pickles.interpreter import interpret
from edgeshrink.checkpoint.pickles.refusal import names_imported, refusal
from edgeshrink.checkpoint.registry import register_container
from edgeshrink.errors import InputError

__all__ = ["PickleFile"]

_SAVE = "Save the weights with torch.save(net.state_dict(), 'weights.pt'), or as safetensors."
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
        """Refuse, naming what it would import, or saying that it has nothing to say."""
        if names := _names(path):
            raise refusal(path, names)
        if _is_whole(path):
            raise InputError(f"{path} is a pickle of plain Python values: it holds no tensor.", _SAVE)
        what = f"{path} is a pickle that is damaged or cut short."
        raise InputError(what, "Copy it again, or save it again.")

    def read(self, path: Path, opening: Opening) -> Stored:
        """Never reached: ``check`` refuses."""
        raise NotImplementedError


def _is_whole(path: Path) -> bool:
    """Whether its opcodes can be read to their end; none is run."""
    try:
        interpret(_data(path)).whole()
    except ValueError:
        return False
    return True


def _names(path: Path) -> list[str]:
    data = _data(path)
    try:
        return names_imported(data, partly=data[:1] == b"\x80")
    except ValueError:
        return []


def _data(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(_LARGEST_BYTES)
