"""Zip archives, looked at without unpacking anything."""

from __future__ import annotations

import struct
import zipfile
from pathlib import Path

from edgeshrink.zip_faults import archive_fault, directory_fault

__all__ = ["entry_names", "stored_fault"]


def entry_names(path: Path) -> tuple[str, ...] | None:
    """List an archive's entries; None where the file is no zip archive or has lost its directory."""
    try:
        if directory_fault(path):
            return None
        with zipfile.ZipFile(path) as archive:
            return tuple(archive.namelist())
    except (OSError, ValueError, RuntimeError, struct.error, zipfile.BadZipFile):
        return None


def stored_fault(archive: zipfile.ZipFile, size: int) -> str:
    """Say what makes an archive of ``size`` bytes none of torch's, which packs none; empty for torch's."""
    if fault := archive_fault(archive):
        return fault
    infos = archive.infolist()
    if packed := next((i.filename for i in infos if i.compress_type != zipfile.ZIP_STORED), None):
        return f"its entry {packed!r} is compressed, and torch compresses none"
    if sum(info.file_size for info in infos) > size:
        return "its entries claim more bytes than the file has"
    return ""
