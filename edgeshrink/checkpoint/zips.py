"""Zip archives, looked at without unpacking anything."""

from __future__ import annotations

import struct
import zipfile
from collections import Counter
from pathlib import Path

__all__ = ["archive_fault", "entry_names", "inner_names"]

_LARGEST_DIRECTORY = 16_000_000  # some 200,000 entries; reading it takes two seconds
_END = struct.Struct("<4s4H2LH")
_END64 = struct.Struct("<4sQ2H2L4Q")


def entry_names(path: Path) -> tuple[str, ...] | None:
    """List an archive's entries; None where the file is no zip archive or has lost its directory."""
    try:
        if _directory_bytes(path) > _LARGEST_DIRECTORY:
            return None
        with zipfile.ZipFile(path) as archive:
            return tuple(archive.namelist())
    except (OSError, ValueError, RuntimeError, struct.error, zipfile.BadZipFile):
        return None


def inner_names(path: Path) -> frozenset[str]:
    """List an archive's entries without the top folder that torch puts them in; empty where unreadable."""
    return frozenset(name.partition("/")[2] for name in entry_names(path) or ())


def archive_fault(
    path: Path, archive: zipfile.ZipFile, *, stored_only: bool = False, size: int | None = None
) -> str:
    """Say what makes an archive's entries unfit to read; empty where nothing does.

    Args:
        path: The file.
        archive: The same, opened.
        stored_only: Whether entries must be stored as they are, as torch does, and so fit into the file.
        size: The archive's bytes, where it is not the file itself.
    """
    infos = archive.infolist()
    names = [info.filename for info in infos]
    if len(set(names)) < len(names):
        twice, _ = Counter(names).most_common(1)[0]
        return f"it holds {twice!r} twice"
    if outside := next((name for name in names if _leaves_folder(name)), None):
        return f"its entry {outside!r} leaves the archive's folder"
    if locked := next((info.filename for info in infos if info.flag_bits & 1), None):
        return f"its entry {locked!r} is encrypted"
    if stored_only:
        if packed := next((i.filename for i in infos if i.compress_type != zipfile.ZIP_STORED), None):
            return f"its entry {packed!r} is compressed, and torch compresses none"
        if sum(info.file_size for info in infos) > (path.stat().st_size if size is None else size):
            return "its entries claim more bytes than the file has"
    return ""


def _leaves_folder(name: str) -> bool:
    return name.startswith(("/", "\\")) or ".." in name.replace("\\", "/").split("/") or name[1:2] == ":"


def _directory_bytes(path: Path) -> int:
    """How large an archive's directory is, as its last record says; 0 where there is no such record."""
    size = path.stat().st_size
    with path.open("rb") as file:
        file.seek(max(0, size - (1 << 16) - _END.size - 100))
        tail = file.read()
    at = tail.rfind(b"PK\x05\x06")
    if at < 0 or len(tail) - at < _END.size:
        return 0
    told = int(_END.unpack_from(tail, at)[5])
    at64 = tail.rfind(b"PK\x06\x06", 0, at)
    if at64 >= 0 and len(tail) - at64 >= _END64.size:
        told = max(told if told != 0xFFFFFFFF else 0, int(_END64.unpack_from(tail, at64)[8]))
    return told
