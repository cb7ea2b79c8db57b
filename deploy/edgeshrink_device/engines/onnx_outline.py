"""What must be known of an ONNX file before TensorRT reads it, without onnx, which the boards do not have.

Read straight from the protobuf encoding, weights skipped, so that a file of gigabytes costs no memory. Field
numbers: onnx.proto (ModelProto, GraphProto, NodeProto, AttributeProto, ValueInfoProto, TensorProto).
"""

import hashlib
import mmap
import os
from collections import namedtuple

from edgeshrink_device.errors import InputError

__all__ = [
    "Input",
    "Node",
    "Outline",
    "fields",
    "is_quantized",
    "read_outline",
    "sha256_with_data",
    "size_with_data",
    "value_of",
]

Outline = namedtuple("Outline", ["nodes", "inputs", "external"])
Outline.__doc__ = """Of a model: its graph's `Node`s, its `Input`s without the weights among them, and the
names of the files beside it that hold its weights, those of branches and loops, too."""
Node = namedtuple("Node", ["name", "operator", "domain", "module"])
Node.__doc__ = """One node; module is the torch module that its weight's name tells, or empty."""
Input = namedtuple("Input", ["name", "shape"])
Input.__doc__ = """One input; its shape has None where a size is open."""

QUANTIZING = ("QuantizeLinear", "DequantizeLinear")
HOLDS = {  # message: {field number: message in it}, for all on the way to a tensor
    "model": {7: "graph", 25: "function"},
    "graph": {1: "node", 5: "tensor", 15: "sparse tensor"},
    "function": {7: "node", 11: "attribute"},
    "node": {5: "attribute"},
    "attribute": {
        **dict.fromkeys((5, 10), "tensor"),
        **dict.fromkeys((6, 11), "graph"),
        **dict.fromkeys((22, 23), "sparse tensor"),
    },
    "sparse tensor": {1: "tensor", 2: "tensor"},
}


def read_outline(path):
    """Read a .onnx file.

    Raises:
        InputError: It is missing, empty, or no ONNX file.
    """
    try:
        with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            return _outline(data)
    except OSError as error:
        raise InputError("{}: cannot be read: {}".format(path, error.strerror)) from error
    except (ValueError, IndexError, TypeError) as error:  # the last: a number where a part should be
        raise InputError(
            "{}: is no ONNX model: {}".format(path, error), "Copy it again, or export it again."
        ) from error


def is_quantized(outline):
    """Whether the model says itself what is computed in 8 bits."""
    return any(node.operator in QUANTIZING for node in outline.nodes)


def sha256_with_data(path, outline):
    """SHA-256 as hex of a model and of the files that hold its weights.

    Raises:
        InputError: One of those is missing.
    """
    digest = hashlib.sha256()
    for name in _with_data(path, outline):
        try:
            with open(name, "rb") as file:
                for chunk in iter(lambda file=file: file.read(1 << 20), b""):
                    digest.update(chunk)
        except OSError as error:
            raise InputError(
                "{}: holds weights of {} and cannot be read: {}".format(name, path, error.strerror),
                "Copy the model again with all files beside it.",
            ) from error
    return digest.hexdigest()


def size_with_data(path, outline):
    """Bytes of a model and of the files that hold its weights, all of them there."""
    return sum(os.path.getsize(name) for name in _with_data(path, outline))


def _with_data(path, outline):
    return [path, *(os.path.join(os.path.dirname(path), each) for each in outline.external)]


def _outline(data):
    graphs = [span for number, span in fields(data, 0, len(data)) if number == 7]
    if not graphs:
        raise ValueError("it holds no graph")
    nodes, values, weights = [], [], set()
    for number, span in fields(data, *graphs[-1]):
        if number == 1:
            nodes.append(span)
        elif number == 5:
            weights.add(_tensor(data, span)[0])
        elif number == 11:
            name, _, shape = value_of(data, span)
            values.append(Input(name, shape))
    return Outline(
        [_node(data, span, weights) for span in nodes],
        [value for value in values if value.name not in weights],
        sorted(_external(data)),
    )


def _external(data):
    """The files that hold tensors of a model, wherever in it they stand.

    Not by recursion, whose depth the file would decide.
    """
    waiting, locations = [("model", (0, len(data)))], set()
    while waiting:
        message, span = waiting.pop()
        if message == "tensor":
            locations.update(_tensor(data, span)[1])
            continue
        parts = HOLDS[message]
        waiting += [(parts[number], part) for number, part in fields(data, *span) if number in parts]
    return locations


def fields(data, start, end):
    """(field number, (start, end)) of the parts of a message; of a plain number (its value, None).

    Raises:
        ValueError: It is damaged.
    """
    while start < end:
        key, start = _number(data, start, end)
        kind = key & 7
        if kind == 0:
            value, start = _number(data, start, end)
            yield key >> 3, (value, None)
            continue
        if kind == 2:
            size, start = _number(data, start, end)
        elif kind in (1, 5):
            size = 8 if kind == 1 else 4
        else:
            raise ValueError("it is damaged")
        if start + size > end:
            raise ValueError("it ends too early")
        yield key >> 3, (start, start + size)
        start += size


def _number(data, start, end):
    value, shift = 0, 0
    while start < end and shift < 70:
        byte = data[start]
        value |= (byte & 127) << shift
        start, shift = start + 1, shift + 7
        if byte < 128:
            return value, start
    raise ValueError("it ends too early")


def _text(data, span):
    return data[span[0] : span[1]].decode("utf-8")


def _node(data, span, weights):
    texts = {3: "", 4: "", 7: ""}
    inputs = []
    for number, part in fields(data, *span):
        if number in texts:
            texts[number] = _text(data, part)
        elif number == 1:
            inputs.append(_text(data, part))
    modules = [
        name[: -len(".weight")] for name in inputs[1:2] if name in weights and name.endswith(".weight")
    ]
    return Node(texts[3], texts[4], texts[7], modules[0] if modules else "")


def _tensor(data, span):
    """The name of a weight, and the files beside the model that hold it."""
    name, locations = "", []
    for number, part in fields(data, *span):
        if number == 8:
            name = _text(data, part)
        elif number == 13:
            entry = {key: _text(data, text) for key, text in fields(data, *part)}
            if entry.get(1) == "location":
                locations.append(entry.get(2, ""))
    return name, locations


def value_of(data, span):
    """(name, element type's number, sizes with None for open ones) of an input's or output's ValueInfoProto.

    It is 1: name, 2: TypeProto; in that 1: tensor; in that 1: element type, 2: shape; in that 1: dimension,
    whose 1 is its size. What is no tensor has type 0 and no sizes.
    """
    name, kind, shape = "", 0, []
    for number, part in fields(data, *span):
        if number == 1:
            name = _text(data, part)
        elif number == 2:
            for field, inner in [each for tensor in _parts(data, part) for each in fields(data, *tensor)]:
                if field == 1:
                    kind = inner[0]
                elif field == 2:
                    shape = [_size(data, dimension) for dimension in _parts(data, inner)]
    return name, kind, tuple(shape)


def _parts(data, span):
    """The parts of a message whose field has number 1."""
    return [part for number, part in fields(data, *span) if number == 1]


def _size(data, span):
    sizes = [part[0] for part in _parts(data, span)]
    return sizes[-1] if sizes and sizes[-1] > 0 else None
