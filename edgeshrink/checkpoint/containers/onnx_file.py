"""ONNX models, recognised by walking a ModelProto's outermost fields; reading them is ``trace``'s work."""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

from edgeshrink.checkpoint.containers.stored import Opening, Stored
from edgeshrink.checkpoint.registry import register_container
from edgeshrink.errors import InputError

__all__ = ["OnnxFile"]

# ModelProto's fields (onnx.proto): number -> wire type; 0 is a varint, 2 a length and that many bytes.
_FIELDS = {1: 0, 2: 2, 3: 2, 4: 2, 5: 0, 6: 2, 7: 2, 8: 2, 14: 2, 20: 2, 25: 2, 26: 2}
_IR_VERSION, _GRAPH = 1, 7
_MOST_FIELDS = 100_000  # outermost ones: metadata and functions; the reader refuses a file of more


@register_container
class OnnxFile:
    """A protobuf message whose outermost fields are a ModelProto's, a graph among them."""

    name = "onnx"
    title = "ONNX"

    def recognises(self, path: Path, head: bytes) -> bool:
        """Walk the outermost fields: all must be known, the IR version and the graph among them."""
        with path.open("rb") as file:
            fields, _ = _walk(file, path.stat().st_size)
        return {_IR_VERSION, _GRAPH} <= fields

    def check(self, path: Path) -> None:
        """Refuse a model that is cut short."""
        with path.open("rb") as file:
            _, missing = _walk(file, path.stat().st_size)
        if missing:
            raise InputError(
                f"{path} is an ONNX model cut short: {missing} bytes are missing at its end",
                "Copy or download it again, or export it again.",
            )

    def read(self, path: Path, opening: Opening) -> Stored:
        """Say that a graph is no set of named tensors."""
        raise InputError(
            f"{path} is an ONNX model, which holds a graph and no state_dict", "Give it without --arch."
        )


def _walk(file: BinaryIO, size: int) -> tuple[set[int], int]:
    """Walk a message's fields without reading their content.

    Returns:
        The field numbers (none where the bytes are no ModelProto), and how many bytes are missing at the end.
    """
    fields: set[int] = set()
    for _ in range(_MOST_FIELDS):
        if file.tell() >= size:
            break
        key = _varint(file)
        if key is None or _FIELDS.get(key >> 3) != key & 7:
            return set(), 0
        value = _varint(file)
        if value is None:
            return set(), 0
        fields.add(key >> 3)
        if key & 7 == 2:
            if file.tell() + value > size:
                return fields, file.tell() + value - size
            file.seek(value, 1)
    return fields, 0


def _varint(file: BinaryIO) -> int | None:
    value = 0
    for shift in range(0, 70, 7):
        byte = file.read(1)
        if not byte:
            return None
        value |= (byte[0] & 0x7F) << shift
        if byte[0] < 0x80:
            return value
    return None
