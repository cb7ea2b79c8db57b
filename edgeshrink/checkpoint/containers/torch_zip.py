"""What torch.save writes since torch 1.6: a zip archive of one pickle, ``data.pkl``, and raw tensor storages.

The pickle is interpreted, not run; the storages are mapped into memory, not read.
"""

from __future__ import annotations

import struct
import sys
import zipfile
from pathlib import Path
from typing import BinaryIO

from edgeshrink.checkpoint.containers.stored import Opening, Stored
from edgeshrink.checkpoint.containers.zips import entry_names
from edgeshrink.checkpoint.pickles.interpreter import BadPickleError, Pickle, interpret
from edgeshrink.checkpoint.registry import register_container
from edgeshrink.errors import InputError

__all__ = ["TorchZip"]

_ZIP_MAGIC = b"PK\x03\x04"
_LOCAL_HEADER = struct.Struct("<4s5H3I2H")
_DAMAGE = (
    OSError,
    ValueError,
    EOFError,
    RuntimeError,
    KeyError,
    NotImplementedError,
    struct.error,
    zipfile.BadZipFile,
)


@register_container
class TorchZip:
    """A state_dict, bare or wrapped, or a whole network, in torch's zip archive."""

    name = "torch-zip"
    title = "torch zip"

    def recognises(self, path: Path, head: bytes) -> bool:
        """Any zip archive that is of no other kind: what is wrong with it, ``check`` says."""
        return head.startswith(_ZIP_MAGIC)

    def check(self, path: Path) -> None:
        """Refuse what is cut short, not torch's, or larger inside than outside."""
        if entry_names(path) is None:
            raise _damaged(path, "its directory, at the end of the file, is missing")
        try:
            with zipfile.ZipFile(path) as archive:
                _entries(path, archive)
        except _DAMAGE as error:
            raise _damaged(path, str(error)) from error

    def read(self, path: Path, opening: Opening) -> Stored:
        """Read the state_dict, out of whatever dictionary it is wrapped in, or the network."""
        from edgeshrink.checkpoint.pickles.reading import read_pickled
        from edgeshrink.checkpoint.pickles.tensors import StoredTensors
        from edgeshrink.checkpoint.pickles.trusted import run_trusted

        try:
            pickle, spans, swapped = _content(path)
            if opening.trust_pickle:
                return run_trusted(path, pickle, opening)
            return read_pickled(path, pickle, StoredTensors(path, spans, swapped=swapped), opening)
        except _DAMAGE as error:
            raise _damaged(path, str(error) or type(error).__name__) from error


def _content(path: Path) -> tuple[Pickle, dict[str, tuple[int, int]], bool]:
    """The pickle, where each storage lies (offset and length in bytes), and whether bytes are swapped."""
    with zipfile.ZipFile(path) as archive:
        entries = _entries(path, archive)
        pickle = interpret(archive.read(entries["data.pkl"]))
        order = archive.read(entries["byteorder"]) if "byteorder" in entries else b"little"
    with path.open("rb") as file:
        spans = {
            name.removeprefix("data/"): _span(file, info, path.stat().st_size)
            for name, info in entries.items()
            if name.startswith("data/")
        }
    if order not in (b"little", b"big"):
        raise BadPickleError(f"its byte order is {order[:20]!r}")
    return pickle, spans, order.decode() != sys.byteorder


def _span(file: BinaryIO, info: zipfile.ZipInfo, size: int) -> tuple[int, int]:
    """Where an entry's bytes lie; its own header, in front of them, must name it and hold no lies."""
    file.seek(info.header_offset)
    magic, *_, name_length, extra_length = _LOCAL_HEADER.unpack(file.read(_LOCAL_HEADER.size))
    begin = info.header_offset + _LOCAL_HEADER.size + name_length + extra_length
    if magic != _ZIP_MAGIC or file.read(name_length) != info.orig_filename.encode():
        raise BadPickleError(f"entry {info.filename} is not where the directory says")
    if begin + info.file_size > size:
        raise BadPickleError(f"entry {info.filename} ends beyond the file")
    return begin, info.file_size


def _entries(path: Path, archive: zipfile.ZipFile) -> dict[str, zipfile.ZipInfo]:
    """The entries by name within torch's top folder; one of each name, all stored as they are."""
    infos = archive.infolist()
    tops = {info.filename.partition("/")[0] for info in infos}
    entries = {info.filename.partition("/")[2]: info for info in infos}
    if "data.pkl" not in entries:
        raise _foreign(path)
    inside, outside = sum(info.file_size for info in infos), path.stat().st_size
    if inside > outside or any(info.compress_type != zipfile.ZIP_STORED for info in infos):
        raise InputError(
            f"{path} is a compressed archive ({outside} bytes, {inside} unpacked); torch.save writes none",
            "Give the file that torch.save wrote, not a repacked copy.",
        )
    if len(tops) > 1 or ".." in tops or any(".." in name.split("/") for name in entries):
        raise BadPickleError("its entries lie in several folders")
    if len({name.casefold() for name in entries}) < len(infos):
        raise BadPickleError("two of its entries have one name")
    if any(info.file_size != info.compress_size for info in infos):
        raise BadPickleError("an entry has two sizes")
    return entries


def _damaged(path: Path, problem: str) -> InputError:
    return InputError(
        f"{path} is a torch archive (zip), but damaged or cut short ({path.stat().st_size} bytes): {problem}",
        "Copy or download it again, or save it again where it was trained.",
    )


def _foreign(path: Path) -> InputError:
    names = ", ".join((entry_names(path) or ())[:3])
    return InputError(
        f"{path} is a zip archive, but no checkpoint of torch (it holds {names or 'nothing'})",
        "Give the file that torch.save wrote; masks go to --masks, samples to --samples.",
    )
