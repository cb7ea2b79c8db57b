"""As much of an ONNX file as a parser needs, read without onnx, which the boards do not have.

Field numbers: onnx.proto of ONNX 1.13 (ModelProto, GraphProto, NodeProto, AttributeProto, TensorProto).
"""

import collections

Model = collections.namedtuple("Model", "opset ir_version nodes inputs outputs initializers wide")
Model.__doc__ = """What is in a file; `wide` says whether it has INT64 weights or inputs."""
Node = collections.namedtuple("Node", "name operator domain inputs outputs attributes")
Value = collections.namedtuple("Value", "name type shape")

# TensorProto.DataType
TYPES = {1: "FLOAT", 2: "UINT8", 3: "INT8", 6: "INT32", 7: "INT64", 9: "BOOL", 10: "HALF", 11: "DOUBLE"}


def fields(data):
    """(number, value) of each field of a message: an int, or bytes."""
    position = 0
    while position < len(data):
        key, position = varint(data, position)
        number, wire = key >> 3, key & 7
        if wire == 0:
            value, position = varint(data, position)
        elif wire == 2:
            length, position = varint(data, position)
            value, position = data[position : position + length], position + length
            if len(value) != length:
                raise ValueError("the file ends within a field")
        elif wire in (1, 5):
            length = 8 if wire == 1 else 4
            value, position = data[position : position + length], position + length
        else:
            raise ValueError(f"wire type {wire}")
        yield number, value


def varint(data, position):
    value, shift = 0, 0
    while True:
        if position >= len(data):
            raise ValueError("the file ends within a number")
        byte = data[position]
        value |= (byte & 127) << shift
        position, shift = position + 1, shift + 7
        if byte < 128:
            return value, position


def all_of(data, number):
    return [value for key, value in fields(data) if key == number]


def text(data, number):
    found = all_of(data, number)
    return found[-1].decode("utf-8") if found else ""


def read_model(data):
    """A Model of the bytes of an ONNX file.

    Raises:
        ValueError: they are none.
    """
    opset, graphs = 1, all_of(data, 7)
    if not graphs:
        raise ValueError("no graph")
    for imported in all_of(data, 8):
        if text(imported, 1) in ("", "ai.onnx"):
            opset = (all_of(imported, 2) or [1])[-1]
    graph = graphs[-1]
    tensors = all_of(graph, 5)
    initializers = [text(tensor, 8) for tensor in tensors]
    inputs = [value for value in map(read_value, all_of(graph, 11)) if value.name not in initializers]
    kinds = [TYPES.get((all_of(tensor, 2) or [0])[-1]) for tensor in tensors] + [
        value.type for value in inputs
    ]
    return Model(
        opset,
        (all_of(data, 1) or [0])[-1],
        [read_node(node) for node in all_of(graph, 1)],
        inputs,
        [read_value(value) for value in all_of(graph, 12)],
        initializers,
        "INT64" in kinds,
    )


def read_node(data):
    texts = [[each.decode("utf-8") for each in all_of(data, number)] for number in (1, 2)]
    attributes = [text(attribute, 1) for attribute in all_of(data, 5)]
    return Node(text(data, 3), text(data, 4), text(data, 7), texts[0], texts[1], attributes)


def read_value(data):
    """A Value; a dimension is a number, or its name, or None."""
    kinds = all_of(data, 2)
    tensors = all_of(kinds[-1], 1) if kinds else []
    if not tensors:
        return Value(text(data, 1), "FLOAT", [])
    number = (all_of(tensors[-1], 1) or [0])[-1]
    shapes = all_of(tensors[-1], 2)
    dimensions = [read_dimension(each) for each in all_of(shapes[-1], 1)] if shapes else []
    return Value(text(data, 1), TYPES.get(number, f"type {number}"), dimensions)


def read_dimension(data):
    for number, value in fields(data):
        return value if number == 1 else value.decode("utf-8")
    return None


def without_second_inputs(data, operators):
    """The bytes of a model whose nodes of these operators have but their first input."""
    return rewrite(data, 7, lambda graph: rewrite(graph, 1, lambda node: shortened(node, operators)))


def shortened(node, operators):
    if text(node, 4) not in operators:
        return node
    kept, inputs = b"", 0
    for number, value in fields(node):
        inputs += number == 1
        if number != 1 or inputs == 1:
            kept += field(number, value)
    return kept


def with_weights_inside(data, folder):
    """The bytes of a model whose weights in other files (below `folder`) are brought in.

    Raises:
        OSError: One of the files is not there; or is too short, then without a number.
    """
    return rewrite(data, 7, lambda graph: rewrite(graph, 5, lambda tensor: brought_in(tensor, folder)))


def brought_in(tensor, folder):
    if all_of(tensor, 14)[-1:] != [1]:
        return tensor
    told = {text(entry, 1): text(entry, 2) for entry in all_of(tensor, 13)}
    with (folder / told["location"]).open("rb") as file:
        file.seek(int(told.get("offset", 0)))
        raw = file.read(int(told.get("length", -1)))
    if "length" in told and len(raw) != int(told["length"]):
        raise OSError("too short: " + told["location"])
    return b"".join(field(n, value) for n, value in fields(tensor) if n not in (9, 13, 14)) + field(9, raw)


def rewrite(data, wanted, change):
    """The message with `change` applied to each of its messages of the number `wanted`."""
    return b"".join(
        field(number, change(value) if number == wanted else value) for number, value in fields(data)
    )


def field(number, value):
    """A field as bytes: a number, or a length and bytes; nothing above a tensor has fixed 4 or 8."""
    if isinstance(value, int):
        return number_bytes(number << 3) + number_bytes(value)
    return number_bytes(number << 3 | 2) + number_bytes(len(value)) + value


def number_bytes(value):
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)
