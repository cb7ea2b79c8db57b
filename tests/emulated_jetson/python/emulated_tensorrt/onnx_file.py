"""As much of an ONNX file as a parser needs, read without onnx, which the boards do not have.

Field numbers: onnx.proto of ONNX 1.13 (ModelProto, GraphProto, NodeProto, AttributeProto, TensorProto).
"""

import collections

Model = collections.namedtuple("Model", "opset ir_version nodes inputs outputs initializers")
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
    initializers = [text(tensor, 8) for tensor in all_of(graph, 5)]
    return Model(
        opset,
        (all_of(data, 1) or [0])[-1],
        [read_node(node) for node in all_of(graph, 1)],
        [value for value in map(read_value, all_of(graph, 11)) if value.name not in initializers],
        [read_value(value) for value in all_of(graph, 12)],
        initializers,
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
