"""A model as the bytes of an .onnx file, one tensor at a time: its size and its writing cost no second copy.

protobuf builds the whole message in memory and then its bytes twice beside it: three times the weights at
the peak, as much as a whole export may take beside torch (measured with onnx_ir.save on a ResNet-50). Here
it only sees the graph without its large tensors; those follow as the last fields of the same GraphProto. The
order of fields in a message is free, so the file is an ordinary .onnx.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import onnx
import onnx_ir as ir

from edgeshrink.errors import EdgeshrinkError

__all__ = ["size_of", "write_model"]

_LARGE = 1024  # bytes from which on a tensor is kept out of protobuf's message
_MOST = 2**31 - 1  # protobuf's limit for one message

# Tags of fields, all length-delimited: ModelProto.graph, GraphProto.initializer, TensorProto.raw_data.
_GRAPH, _INITIALIZER, _RAW_DATA = (
    (message.DESCRIPTOR.fields_by_name[field].number << 3) | 2
    for message, field in (
        (onnx.ModelProto, "graph"),
        (onnx.GraphProto, "initializer"),
        (onnx.TensorProto, "raw_data"),
    )
)


def size_of(model: ir.Model) -> int:
    """How many bytes the model's file has."""
    return sum(len(head) + body for head, body in _layout(model)[1])


def write_model(model: ir.Model, path: Path) -> None:
    """Write `model` as one file, the data of external tensors included.

    Raises:
        EdgeshrinkError: It is larger than the 2 GB that one ONNX file can hold.
        OSError: The file cannot be written.
    """
    tensors, layout = _layout(model)
    if (size := sum(len(head) + body for head, body in layout)) > _MOST:
        raise EdgeshrinkError(f"The network takes {size:,} bytes, more than one ONNX file can hold (2 GB).")
    with path.open("wb") as file:
        for (head, body), data in zip(layout, _bodies(tensors), strict=True):
            file.write(head)
            if len(data) != body:
                raise EdgeshrinkError(f"A tensor of {body} bytes was announced and {len(data)} came.")
            file.write(data)


def _bodies(tensors: Sequence[ir.TensorProtocol]) -> Iterator[bytes]:
    yield b""
    for tensor in tensors:
        yield tensor.tobytes()


def _layout(model: ir.Model) -> tuple[list[ir.TensorProtocol], list[tuple[bytes, int]]]:
    """The large tensors, and the file as pieces: bytes, then so many bytes of the tensor that follows."""
    copy = model.clone()  # shares the tensors
    large = {name: t for name, v in copy.graph.initializers.items() if (t := _large_tensor(v)) is not None}
    for value in copy.graph.initializers.values():
        if not (value.is_graph_input() or value.is_graph_output()):
            value.shape = value.type = None  # the tensor says it; onnx_ir would say it again, as value_info
    for name in large:
        del copy.graph.initializers[name]
    proto = ir.serde.serialize_model(copy)
    graph = proto.graph.SerializeToString()
    proto.ClearField("graph")
    pieces = [(_head(name, tensor), tensor.nbytes) for name, tensor in large.items()]
    length = len(graph) + sum(len(head) + body for head, body in pieces)
    start = proto.SerializeToString() + bytes([_GRAPH]) + _varint(length) + graph
    return list(large.values()), [(start, 0), *pieces]


def _large_tensor(value: ir.Value) -> ir.TensorProtocol | None:
    tensor = value.const_value
    if tensor is None or tensor.dtype == ir.DataType.STRING or tensor.nbytes < _LARGE:
        return None
    return tensor


def _head(name: str, tensor: ir.TensorProtocol) -> bytes:
    """A TensorProto up to its raw data, as a field of the graph."""
    proto = onnx.TensorProto(dims=tensor.shape.numpy(), data_type=int(tensor.dtype), name=name)
    inner: bytes = proto.SerializeToString() + bytes([_RAW_DATA]) + _varint(tensor.nbytes)
    return bytes([_INITIALIZER]) + _varint(len(inner) + tensor.nbytes) + inner


def _varint(number: int) -> bytes:
    """A number in protobuf's notation: seven bits a byte, the lowest first."""
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*out, number])
