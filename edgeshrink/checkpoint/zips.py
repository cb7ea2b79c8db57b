"""Zip archives, looked at without unpacking anything."""

from __future__ import annotations

import struct
import zipfile
from pathlib import Path

__all__ = ["entry_names", "inner_names"]


def entry_names(path: Path) -> tuple[str, ...] | None:
    """List an archive's entries; None where the file is no zip archive or has lost its directory."""
    try:
        with zipfile.ZipFile(path) as archive:
            return tuple(archive.namelist())
    except (OSError, ValueError, RuntimeError, struct.error, zipfile.BadZipFile):
        return None


def inner_names(path: Path) -> frozenset[str]:
    """List an archive's entries without the top folder that torch puts them in; empty where unreadable."""
    return frozenset(name.partition("/")[2] for name in entry_names(path) or ())
