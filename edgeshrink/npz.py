"""NumPy's .npz archives, read one entry at a time and never beyond what each entry may take.

numpy.load believes an entry's header, however much it claims; here the header, the entry's size and a limit
must agree before any memory is taken. Objects and structured types are refused: plain numbers alone.
"""

from __future__ import annotations

import struct
import tokenize
import warnings
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from math import prod
from pathlib import Path
from typing import IO, Any

import numpy as np

from edgeshrink.errors import InputError
from edgeshrink.zip_faults import archive_fault, directory_fault

__all__ = ["read_npz"]

_PLAIN = "biufcSU"  # numpy's kinds: bool, numbers, text
_PACKINGS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # numpy writes no other
_BROKEN = (
    *(OSError, ValueError, TypeError, EOFError, RuntimeError, SyntaxError, MemoryError, RecursionError),
    *(AttributeError, KeyError, IndexError, OverflowError, zlib.error, struct.error, zipfile.BadZipFile),
    *(tokenize.TokenError, NotImplementedError),
)


def read_npz(
    path: Path, hint: str, *, most: Callable[[str], int] | None = None, most_in_all: int | None = None
) -> dict[str, np.ndarray[Any, np.dtype[Any]]]:
    """Read every array of an archive.

    Args:
        path: The file.
        hint: What to do where the archive cannot be read.
        most: Name of an array -> how many bytes it may take in memory.
        most_in_all: How many all of them may take.

    Returns:
        Name -> array, in the machine's byte order.

    Raises:
        FileNotFoundError: There is no such file.
        InputError: The archive or an entry is damaged, encrypted, there twice, no plain array, or larger than
            it may be; names the entry.
    """
    arrays: dict[str, np.ndarray[Any, np.dtype[Any]]] = {}
    with _told(f"{path} is no .npz of plain arrays", hint):
        if fault := directory_fault(path):
            raise ValueError(fault)
        with zipfile.ZipFile(path) as archive:
            if fault := archive_fault(archive):
                raise ValueError(fault)
            for info in archive.infolist():
                name = info.filename.removesuffix(".npy")
                with _told(f"{path}: entry {info.filename!r} cannot be read", hint):
                    if name == info.filename:
                        raise ValueError("it is no .npy")
                    if info.compress_type not in _PACKINGS:
                        raise ValueError("it is packed in a way that numpy never does")
                    with archive.open(info) as entry:
                        arrays[name] = _array(entry, info, _room(name, arrays, most, most_in_all))
    return arrays


def _room(
    name: str, read: Mapping[str, Any], most: Callable[[str], int] | None, most_in_all: int | None
) -> int | None:
    """How many bytes the next array may take; None where there is no limit."""
    limits = [] if most is None else [most(name)]
    if most_in_all is not None:
        limits.append(most_in_all - sum(array.nbytes for array in read.values()))
    return min(limits, default=None)


@contextmanager
def _told(what: str, hint: str) -> Iterator[None]:
    try:
        yield
    except (InputError, FileNotFoundError):
        raise
    except _BROKEN as error:
        why = (str(error) or type(error).__name__).splitlines()[0][:200].rstrip(".")
        raise InputError(f"{what}: {why}.", hint) from error


def _array(entry: IO[bytes], info: zipfile.ZipInfo, most: int | None) -> np.ndarray[Any, np.dtype[Any]]:
    shape, fortran, dtype = _header(entry)
    if dtype.hasobject:
        raise ValueError("it holds Python objects, which only running code could read")
    if dtype.kind not in _PLAIN or dtype.names or dtype.subdtype:
        raise ValueError(f"its elements are {str(dtype)[:60]}, no plain numbers or text")
    if any(not isinstance(size, int) or size < 0 for size in shape):
        raise ValueError(f"its header claims the shape {str(shape)[:60]}")
    size, there = prod(shape) * dtype.itemsize, info.file_size - entry.tell()
    if most is not None and size > most:
        raise ValueError(f"it claims {size:,} bytes, and {most:,} are the most that it may take")
    if size != there:
        raise ValueError(f"its header claims {size:,} bytes, and the entry has {there:,}")
    data = bytearray(size)
    view, at = memoryview(data), 0
    while at < size:
        read = entry.read(min(size - at, 1 << 24))
        if not read:
            raise EOFError(f"it ends after {at:,} of {size:,} bytes")
        view[at : at + len(read)] = read
        at += len(read)
    entry.read(1)  # at the end zipfile compares the checksum
    array = np.frombuffer(data, dtype).reshape(shape, order="F" if fortran else "C")
    return array.astype(dtype.newbyteorder("="), copy=False)


def _header(entry: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    version = np.lib.format.read_magic(entry)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that Python 2 wrote the header, or what is odd in its text
        if version == (1, 0):
            return np.lib.format.read_array_header_1_0(entry)
        if version == (2, 0):
            return np.lib.format.read_array_header_2_0(entry)
    raise ValueError(f"its format is of version {version}, which plain arrays never need")
