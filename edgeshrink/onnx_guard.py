"""Is a .onnx file what it claims to be? Looked at before anything is parsed, converted or inferred.

A few bytes of protobuf can stand for gigabytes: empty parts by the million, tensors of claimed shapes, data
in files elsewhere, functions that call functions. Each is bounded here, by what any real network has.
"""

from __future__ import annotations

import mmap
import os
from collections.abc import Iterable, Iterator
from math import prod
from pathlib import Path
from typing import Any

import onnx

from edgeshrink.errors import InputError
from edgeshrink.protobuf import read_varint

__all__ = ["require_small", "require_sound"]

_MOST_FIELDS = 1_000_000
_MOST_ENTRIES = 50_000  # nodes, initializers and inputs of a graph, functions unfolded
_AGAIN = "Copy it again, with its external data beside it, or export the network again."

_TENSOR = onnx.TensorProto.DESCRIPTOR
_DIMS = _TENSOR.fields_by_name["dims"].number

# The field that holds a tensor's elements where raw_data does not, and how many entries make one element.
_TYPED: dict[int, tuple[str, int]] = {
    onnx.TensorProto.FLOAT: ("float_data", 1),
    onnx.TensorProto.COMPLEX64: ("float_data", 2),
    onnx.TensorProto.DOUBLE: ("double_data", 1),
    onnx.TensorProto.COMPLEX128: ("double_data", 2),
    onnx.TensorProto.INT64: ("int64_data", 1),
    onnx.TensorProto.UINT32: ("uint64_data", 1),
    onnx.TensorProto.UINT64: ("uint64_data", 1),
    onnx.TensorProto.STRING: ("string_data", 1),
}
# Bits of an element where numpy has no type of that width.
_PACKED = {"INT4": 4, "UINT4": 4, "FLOAT4E2M1": 4, "INT2": 2, "UINT2": 2}
_EIGHT = {"FLOAT8E4M3FN", "FLOAT8E4M3FNUZ", "FLOAT8E5M2", "FLOAT8E5M2FNUZ", "FLOAT8E8M0"}


def require_small(path: Path) -> None:
    """Count the parts of a file's message without parsing it.

    Raises:
        InputError: It has more than any network: parsed, they would take a hundred times their bytes.
        OSError: It cannot be read.
    """
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        if _count(data) > _MOST_FIELDS:
            raise InputError(
                f"{path} holds more than {_MOST_FIELDS:,} fields, more than any network's graph.", _AGAIN
            )


def require_sound(model: onnx.ModelProto, path: Path) -> None:
    """Check what tensors claim against what there is, and that functions unfold to a bounded graph.

    Raises:
        InputError: Some tensor's data is missing, short, elsewhere or not what it claims; functions call
            themselves, or unfold to more nodes than any network has.
    """
    _require_bounded(model, path)
    for graph in _graphs(model):
        _require_named_once(graph, path)
        for tensor in _tensors(graph):
            _require_whole(tensor, path)


def _count(data: mmap.mmap) -> int:
    """Fields of all messages, up to the limit; what is no protobuf is left to its parser to say."""
    count = 0
    waiting: list[tuple[int, int, Any]] = [(0, len(data), onnx.ModelProto.DESCRIPTOR)]
    kinds: dict[Any, dict[int, Any]] = {}
    while waiting and count <= _MOST_FIELDS:
        at, end, message = waiting.pop()
        parts = kinds.get(message.full_name)
        if parts is None:
            parts = {field.number: field.message_type for field in message.fields if field.message_type}
            kinds[message.full_name] = parts
        while at < end and count <= _MOST_FIELDS:
            count += 1
            key, at = read_varint(data, at)
            if key is None:
                break
            wire = key & 7
            if wire == 2:
                length, at = read_varint(data, at)
                if length is None:
                    break
                if key >> 3 == _DIMS and message.full_name == _TENSOR.full_name:
                    count += length  # packed sizes: a byte or more each
                elif key >> 3 in parts:
                    waiting.append((at, min(at + length, end), parts[key >> 3]))
                at += length
            elif wire == 0:
                _, at = read_varint(data, at)
            elif wire in (1, 5):
                at += 8 if wire == 1 else 4
            else:
                return count
    return count


def _graphs(model: onnx.ModelProto) -> Iterator[Any]:
    """The graph, the functions, and the graphs inside their nodes."""
    waiting: list[Any] = [model.graph, *model.functions]
    while waiting:
        graph = waiting.pop()
        yield graph
        for node in graph.node:
            for attribute in node.attribute:
                if attribute.HasField("g"):
                    waiting.append(attribute.g)
                waiting.extend(attribute.graphs)


def _tensors(graph: Any) -> Iterator[onnx.TensorProto]:
    if isinstance(graph, onnx.GraphProto):
        yield from graph.initializer
        for sparse in graph.sparse_initializer:
            yield from (sparse.values, sparse.indices)
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("t"):
                yield attribute.t
            yield from attribute.tensors


def _require_named_once(graph: Any, path: Path) -> None:
    if isinstance(graph, onnx.GraphProto):
        seen: set[str] = set()
        for tensor in graph.initializer:
            if tensor.name in seen:
                raise InputError(f"{path} holds two initializers called {tensor.name!r}.", _AGAIN)
            seen.add(tensor.name)


def _require_bounded(model: onnx.ModelProto, path: Path) -> None:
    """Count nodes as if every function were unfolded where it is called."""
    bodies = {(f.domain, f.name, f.overload): f for f in model.functions}
    sizes: dict[tuple[str, str, str], int] = {}

    def unfolded(nodes: Iterable[onnx.NodeProto], inside: tuple[Any, ...]) -> int:
        total = 0
        for node in nodes:
            key = (node.domain, node.op_type, node.overload)
            total += 1
            if key in bodies:
                if key in inside:
                    raise InputError(f"{path} holds function {node.op_type!r}, which calls itself.", _AGAIN)
                if key not in sizes:
                    sizes[key] = unfolded(bodies[key].node, (*inside, key))
                total += sizes[key]
            for attribute in node.attribute:
                for graph in (attribute.g, *attribute.graphs) if attribute.type in (5, 10) else ():
                    total += unfolded(graph.node, inside)
        return total

    try:
        total = unfolded(model.graph.node, ())
    except RecursionError:
        total = _MOST_ENTRIES + 1
    entries = len(model.graph.initializer) + len(model.graph.input)
    if total + entries > _MOST_ENTRIES:
        raise InputError(
            f"{path} holds a graph of more than {_MOST_ENTRIES:,} nodes and tensors, functions unfolded.",
            "edgeshrink takes networks for small devices; give one without unrolled loops.",
        )


def _require_whole(tensor: onnx.TensorProto, path: Path) -> None:
    """Check that a tensor's data has the size that its shape and type claim."""
    where = f"{path}: tensor {tensor.name!r}"
    if any(size < 0 for size in tensor.dims):
        raise InputError(f"{where} claims the shape {list(tensor.dims)[:8]}.", _AGAIN)
    count = prod(tensor.dims)
    needed = _bytes(tensor.data_type, count)
    if needed is None and tensor.data_type != onnx.TensorProto.STRING:
        raise InputError(f"{where} has element type {tensor.data_type}, which ONNX does not know.", _AGAIN)
    if tensor.data_location == onnx.TensorProto.EXTERNAL:
        _require_external(tensor, needed or 0, where, path.absolute().parent)
    elif tensor.HasField("raw_data"):
        if needed is None or len(tensor.raw_data) != needed:
            raise InputError(
                f"{where} claims {needed or 0:,} bytes of data and has {len(tensor.raw_data):,}.", _AGAIN
            )
    else:
        field, entries = _TYPED.get(tensor.data_type, ("int32_data", 1))
        has, wants = len(getattr(tensor, field)), count * entries
        if field == "int32_data" and _name(tensor.data_type) in _PACKED:
            wants = needed or 0
        if has != wants:
            raise InputError(f"{where} claims {wants:,} elements and has {has:,}.", _AGAIN)


def _name(data_type: int) -> str:
    try:
        return str(onnx.TensorProto.DataType.Name(data_type))
    except ValueError:
        return ""


def _bytes(data_type: int, count: int) -> int | None:
    """How many bytes `count` elements take; None for text and for types ONNX does not know."""
    name = _name(data_type)
    if name in _PACKED:
        return -(-count * _PACKED[name] // 8)
    if name in _EIGHT:
        return count
    if name in ("", "UNDEFINED", "STRING"):
        return None
    return count * int(onnx.helper.tensor_dtype_to_np_dtype(data_type).itemsize)


def _require_external(tensor: onnx.TensorProto, needed: int, where: str, folder: Path) -> None:
    """Check that external data lies beside the model and is as long as it must be."""
    told = {entry.key: entry.value for entry in tensor.external_data}
    location = told.get("location", "")
    file = folder / location
    parts = location.replace("\\", "/").split("/")
    if not location or ".." in parts or "\0" in location or not _lies_in(file, folder):
        raise InputError(
            f"{where} has its data in {location!r}, which is not in the model's own folder.",
            "Put the data file beside the .onnx file, not a link to it elsewhere.",
        )
    if not file.is_file():
        raise InputError(f"{where} has its data in {location!r}, and there is no such file.", _AGAIN)
    offset, length = (_number(told.get(key), where, key) for key in ("offset", "length"))
    size = file.stat().st_size
    has = size - (offset or 0) if length is None else length
    if has < needed or (length is not None and length != needed) or (offset or 0) + has > size:
        raise InputError(
            f"{where} claims {needed:,} bytes of data at {offset or 0:,} of {location!r}, which has {size:,}"
            + ("." if length is None else f", and says its length is {length:,}."),
            _AGAIN,
        )


def _lies_in(file: Path, folder: Path) -> bool:
    return Path(os.path.realpath(file)).is_relative_to(os.path.realpath(folder))


def _number(text: str | None, where: str, key: str) -> int | None:
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 20):
        raise InputError(f"{where} has external data whose {key} is {text[:40]!r}, no number.", _AGAIN)
    return int(text)
