"""ONNX models, recognised by walking a ModelProto's outermost fields; reading them is ``trace``'s work."""

from __future__ import annotations

import mmap
from pathlib import Path

from edgeshrink.checkpoint.containers.stored import Opening, Stored
from edgeshrink.checkpoint.registry import register_container
from edgeshrink.errors import InputError
from edgeshrink.protobuf import read_varint

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
        fields, _ = _walk(path)
        return {_IR_VERSION, _GRAPH} <= fields

    def check(self, path: Path) -> None:
        """Refuse a model that is cut short."""
        _, missing = _walk(path)
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


def _walk(path: Path) -> tuple[set[int], int]:
    """Walk a message's fields without reading their content.

    Returns:
        The field numbers (none where the bytes are no ModelProto), and how many bytes are missing at the end.
    """
    fields: set[int] = set()
    if path.stat().st_size == 0:  # nothing to map
        return fields, 0
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        at = 0
        for _ in range(_MOST_FIELDS):
            if at >= len(data):
                break
            key, at = read_varint(data, at)
            if key is None or _FIELDS.get(key >> 3) != key & 7:
                return set(), 0
            value, at = read_varint(data, at)
            if value is None:
                return set(), 0
            fields.add(key >> 3)
            if key & 7 == 2:
                at += value
                if at > len(data):
                    return fields, at - len(data)
    return fields, 0
