"""The archive that torch.export.save writes: a zip of the program's JSON and its tensors' bytes.

Read here, and not by torch's own loader, which evaluates text of the file and unpickles what it likes.
"""

from __future__ import annotations

import io
import json
import struct
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgeshrink.checkpoint.containers.zips import stored_fault
from edgeshrink.checkpoint.pickles.refusal import names_imported
from edgeshrink.errors import InputError

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["ProgramArchive", "read_archive"]

_AGAIN = "Copy or download it again, or save it again with torch.export.save."
_LARGEST_JSON = 32_000_000  # parsed it takes some twenty times as much
_OLD_PROGRAM = "serialized_exported_program.json"  # torch 2.1 to 2.7: all entries in the outermost folder


@dataclass(frozen=True)
class ProgramArchive:
    """What an archive holds: the program's JSON, and its tensors by name; tied ones are the same object."""

    program: dict[str, Any]
    tensors: dict[str, Tensor]


def read_archive(path: Path) -> ProgramArchive:
    """Read an archive without running anything of it.

    Raises:
        InputError: It is damaged, holds more than one program or compiled code, a pickle of more than
            tensors, or an entry that is larger than it may be.
    """
    with _told(path), zipfile.ZipFile(path) as archive:
        if fault := stored_fault(archive, path.stat().st_size):
            raise InputError(f"{path} is a torch.export program, but {fault}", _AGAIN)
        if _OLD_PROGRAM in archive.namelist():
            return _read_old(path, archive)
        root = archive.namelist()[0].partition("/")[0]
        entries = {name.removeprefix(f"{root}/"): info for name, info in archive.NameToInfo.items()}
        if compiled := [name for name in entries if name.startswith("data/aotinductor/")]:
            raise InputError(
                f"{path} holds machine code compiled by AOTInductor ({compiled[0]}), which is never run",
                "Nothing of it was run. Save the program itself: torch.export.save(exported, 'net.pt2').",
            )
        models = [name for name in entries if name.startswith("models/") and name.endswith(".json")]
        if len(models) != 1:
            raise InputError(
                f"{path} holds {len(models)} programs: {', '.join(models[:5]) or 'none'}",
                "Save one program a file: torch.export.save(exported, 'net.pt2').",
            )
        name = models[0].removeprefix("models/").removesuffix(".json")
        tensors: dict[str, Tensor] = {}
        for folder, config in (("weights", "weights_config"), ("constants", "constants_config")):
            old = f"data/{folder}/{name}.pt"
            if old in entries:
                tensors |= _unpickled(path, old, archive.read(entries[old]))
            else:
                stored = _json(path, archive, entries[f"data/{folder}/{name}_{config}.json"])
                tensors |= _raw_tensors(path, archive, f"data/{folder}/", stored["config"], entries)
        return ProgramArchive(_json(path, archive, entries[models[0]]), tensors)


@contextmanager
def _told(path: Path) -> Iterator[None]:
    """Say what is wrong with an archive that breaks the rules of zip, JSON or torch's layout."""
    try:
        yield
    except (
        *(OSError, ValueError, KeyError, IndexError, TypeError, AttributeError, RuntimeError, EOFError),
        *(NotImplementedError, RecursionError, OverflowError, struct.error, zlib.error, zipfile.BadZipFile),
    ) as error:
        what = "nested too deeply" if isinstance(error, RecursionError) else str(error).splitlines()[:1]
        raise InputError(
            f"{path} is a torch.export program, but damaged or cut short "
            f"({type(error).__name__}: {''.join(what)[:200]})",
            _AGAIN,
        ) from error


def _json(path: Path, archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> dict[str, Any]:
    if info.file_size > _LARGEST_JSON:
        raise InputError(
            f"{path}: {info.filename} has {info.file_size / 1e6:.0f} MB, more than any network's graph",
            _AGAIN,
        )
    stored = json.loads(archive.read(info))
    if not isinstance(stored, dict):
        raise TypeError(f"{info.filename} is no JSON object")
    return stored


def _raw_tensors(
    path: Path,
    archive: zipfile.ZipFile,
    folder: str,
    config: Mapping[str, Any],
    entries: Mapping[str, zipfile.ZipInfo],
) -> dict[str, Tensor]:
    """Tensors whose bytes lie in entries of their own; equal entries and forms give the same tensor."""
    flat: dict[str, Tensor] = {}
    made: dict[tuple[Any, ...], Tensor] = {}
    tensors = {}
    for name, payload in config.items():
        entry = folder + payload["path_name"]
        if payload["use_pickle"] or payload["tensor_meta"] is None:
            raise InputError(
                f"{path} holds a pickled object, {name!r} in {entry}, where a tensor is expected",
                "Nothing of it was run. Export the network without custom objects and tensor subclasses.",
            )
        if entry not in flat:
            flat[entry] = _bytes_of(archive.read(entries[entry]))
        meta = payload["tensor_meta"]
        sizes = tuple(int(size["as_int"]) for size in meta["sizes"])
        strides = tuple(int(size["as_int"]) for size in meta["strides"])
        key = (entry, meta["dtype"], sizes, strides, int(meta["storage_offset"]["as_int"]))
        if key not in made:
            made[key] = _shaped(flat[entry], key, name)
        tensors[name] = made[key]
    return tensors


def _bytes_of(data: bytes) -> Tensor:
    import torch

    return torch.frombuffer(bytearray(data), dtype=torch.uint8) if data else torch.empty(0, dtype=torch.uint8)


def _shaped(flat: Tensor, key: tuple[Any, ...], name: str) -> Tensor:
    """Bytes as a tensor of the stored type and shape, which must not reach beyond them."""
    import torch

    from edgeshrink.checkpoint.programs.values import dtype_of

    _, number, sizes, strides, offset = key
    dtype: torch.dtype = dtype_of(number)
    if min((*sizes, *strides, offset, 0)) < 0 or prod(sizes) * dtype.itemsize > flat.numel():
        raise ValueError(f"tensor {name!r} claims more elements than are stored")
    whole = flat[: flat.numel() // dtype.itemsize * dtype.itemsize].view(dtype)
    return torch.as_strided(whole, sizes, strides, offset)


def _read_old(path: Path, archive: zipfile.ZipFile) -> ProgramArchive:
    """The layout up to torch 2.7, whose tensors are dictionaries saved by torch.save."""
    names = set(archive.namelist())
    tensors: dict[str, Tensor] = {}
    for part in ("serialized_state_dict", "serialized_constants"):
        entry = next(name for name in (f"{part}.pt", f"{part}.json") if name in names)
        tensors |= _unpickled(path, entry, archive.read(entry))
    return ProgramArchive(_json(path, archive, archive.getinfo(_OLD_PROGRAM)), tensors)


def _unpickled(path: Path, entry: str, data: bytes) -> dict[str, Tensor]:
    """A dictionary of tensors that torch.save wrote, made by torch's reader that makes nothing else."""
    import torch

    if not data:
        return {}
    with zipfile.ZipFile(io.BytesIO(data)) as inner:
        if fault := stored_fault(inner, len(data)):
            raise ValueError(f"{entry}: {fault}")
    try:
        content = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except Exception as error:  # torch's reader raises almost anything on damaged input
        raise InputError(
            f"{path} holds a pickled object in {entry}, or is damaged there: it imports {_imports(data)}",
            "Nothing of it was run. Export the network again without custom objects.",
        ) from error
    if not isinstance(content, Mapping) or not all(
        isinstance(part, torch.Tensor) for part in content.values()
    ):
        raise TypeError(f"{entry} is no dictionary of tensors")
    for name, tensor in content.items():
        if tensor.numel() * tensor.element_size() > tensor.untyped_storage().nbytes():
            raise ValueError(f"tensor {name!r} claims more elements than are stored")
    return {str(name): tensor.detach() for name, tensor in content.items()}


def _imports(data: bytes) -> str:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as inner:
            pickled = next(name for name in inner.namelist() if name.partition("/")[2] == "data.pkl")
            names = names_imported(inner.read(pickled))
    except Exception:  # for a message alone, about what is damaged in any way
        return "what cannot be told"
    return ", ".join(names[:12]) or "nothing"
