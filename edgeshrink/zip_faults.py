"""What makes a zip archive unfit to read, seen without unpacking anything."""

from __future__ import annotations

import struct
import zipfile
from collections import Counter
from pathlib import Path

__all__ = ["archive_fault", "directory_fault"]

_LARGEST_DIRECTORY = 16_000_000  # some 200,000 entries; reading it takes two seconds
_END = struct.Struct("<4s4H2LH")
_END64 = struct.Struct("<4sQ2H2L4Q")


def archive_fault(archive: zipfile.ZipFile) -> str:
    """Say what is wrong with an archive's entries; empty where nothing is."""
    infos = archive.infolist()
    names = Counter(info.filename for info in infos)
    if len(names) < len(infos):
        return f"it holds {names.most_common(1)[0][0]!r} twice"
    if outside := next((name for name in names if _leaves_folder(name)), None):
        return f"its entry {outside!r} leaves the archive's folder"
    if locked := next((info.filename for info in infos if info.flag_bits & 1), None):
        return f"its entry {locked!r} is encrypted"
    return ""


def directory_fault(path: Path) -> str:
    """Say where an archive has more entries than anyone writes, before they are listed."""
    told = _directory_bytes(path)
    return f"it lists {told / 1e6:.0f} MB of entries" if told > _LARGEST_DIRECTORY else ""


def _leaves_folder(name: str) -> bool:
    return name.startswith(("/", "\\")) or ".." in name.replace("\\", "/").split("/") or name[1:2] == ":"


def _directory_bytes(path: Path) -> int:
    """How large an archive's directory is, as its last record says; 0 where there is no such record."""
    with path.open("rb") as file:
        size = file.seek(0, 2)
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
