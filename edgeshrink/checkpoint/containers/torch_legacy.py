"""What torch.save wrote before torch 1.6: five pickles in a row, then each storage's length and bytes.

    magic number, protocol number, {"little_endian": bool, ...}, the object, [storage keys], (int64, bytes)...

The pickles are interpreted, not run; the storages are mapped into memory, not read.
"""

from __future__ import annotations

import mmap
import struct
import sys
from pathlib import Path
from typing import IO, cast

from edgeshrink.checkpoint.containers.stored import Opening, Stored
from edgeshrink.checkpoint.pickles.interpreter import BadPickleError, Pickle, interpret
from edgeshrink.checkpoint.registry import register_container
from edgeshrink.errors import InputError

__all__ = ["TorchLegacy"]

_MAGIC = b"\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19."  # the magic number 0x1950a86a20f9469cfc6c, pickled
_PROTOCOL = 1001
_Spans = dict[str, tuple[int, int]]


@register_container
class TorchLegacy:
    """A state_dict, bare or wrapped, or a whole network, in torch's first format."""

    name = "torch-legacy"
    title = "torch's format before 1.6"

    def recognises(self, path: Path, head: bytes) -> bool:
        """Look for the magic number, pickled with any protocol from 2 up."""
        return head[:1] == b"\x80" and _MAGIC in head[:32]

    def check(self, path: Path) -> None:
        """Nothing: reading tells."""

    def read(self, path: Path, opening: Opening) -> Stored:
        """Read the state_dict, out of whatever dictionary it is wrapped in, or the network."""
        from edgeshrink.checkpoint.pickles.reading import read_pickled
        from edgeshrink.checkpoint.pickles.tensors import StoredTensors
        from edgeshrink.checkpoint.pickles.trusted import run_trusted

        try:
            pickle, spans, swapped = _content(path, run=opening.trust_pickle)
            if opening.trust_pickle:
                return run_trusted(path, pickle, opening)
            return read_pickled(path, pickle, StoredTensors(path, spans, swapped=swapped), opening)
        except (ValueError, OSError, struct.error) as error:
            raise InputError(
                f"{path} is in torch's format from before 1.6, but damaged or cut short "
                f"({path.stat().st_size} bytes): {error}",
                "Copy or download it again, or save it again where it was trained.",
            ) from error


def _content(path: Path, *, run: bool) -> tuple[Pickle, _Spans, bool]:
    """The object's pickle, where each storage lies (offset, length in bytes), whether bytes are swapped."""
    from edgeshrink.checkpoint.pickles.names import names_refused
    from edgeshrink.checkpoint.pickles.refusal import refusal

    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as whole:
        stream = cast("IO[bytes]", whole)
        _, version, system = (interpret(stream).whole().root for _ in range(3))
        pickle = interpret(stream)
        if not run and (refused := names_refused(pickle)):
            raise refusal(path, refused)
        if version != _PROTOCOL or not isinstance(system, dict):
            raise BadPickleError(f"it is of version {version!r:.40}")
        keys = interpret(stream).whole().root
        little = system.get("little_endian") is not False
        spans = _spans(whole, keys, _element_sizes(pickle.whole()), "<" if little else ">")
    return pickle, spans, little != (sys.byteorder == "little")


def _element_sizes(pickle: Pickle) -> dict[str, int]:
    """Storage key -> bytes an element, as the references to it say."""
    from edgeshrink.checkpoint.pickles.tensors import TensorError, element_type

    sizes = {}
    for reference in pickle.persistents:
        parts = reference.id
        if isinstance(parts, tuple) and len(parts) >= 5 and parts[0] == "storage":
            try:
                sizes[str(parts[2])] = element_type(parts[1]).itemsize
            except TensorError as error:
                raise BadPickleError(f"storage {str(parts[2])[:40]} {error}") from error
        else:
            raise BadPickleError("it refers to more than storages")
    return sizes


def _spans(whole: mmap.mmap, keys: object, sizes: dict[str, int], order: str) -> _Spans:
    """Walk over the storages: the number of elements, then their bytes."""
    if not isinstance(keys, list):
        raise BadPickleError("its list of storages is none")
    spans = {}
    at = whole.tell()
    for key in map(str, keys):
        if key not in sizes:
            raise BadPickleError(f"storage {key[:40]} belongs to no tensor")
        (count,) = struct.unpack(f"{order}q", whole[at : at + 8])
        begin, length = at + 8, count * sizes[key]
        if count < 0 or begin + length > len(whole):
            raise BadPickleError(f"storage {key[:40]} ends beyond the file")
        spans[key] = (begin, length)
        at = begin + length
    return spans
