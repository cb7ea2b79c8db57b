"""The types of a model's inputs, outputs and weights, which an engine's file does not tell.

Field numbers: onnx.proto (ModelProto 7: graph; GraphProto 5: weights, 11 and 12: inputs and outputs;
TensorProto 2: type).
"""

import mmap
from collections import namedtuple

from edgeshrink_device.engines.onnx_outline import fields, read_outline, value_of
from edgeshrink_device.errors import InputError
from edgeshrink_device.specs import Spec

__all__ = ["Types", "read_types"]

DTYPES = {
    1: "float32",
    2: "uint8",
    3: "int8",
    6: "int32",
    7: "int64",
    9: "bool",
    10: "float16",
    11: "float64",
}
FLOAT16 = 10

Types = namedtuple("Types", ["inputs", "outputs", "has_float16"])
Types.__doc__ = """Of a model: its inputs and outputs as `Spec`s, and whether a weight or one of them is
float16."""


def read_types(path):
    """Read a .onnx file.

    Raises:
        InputError: It cannot be read, is no ONNX file, or takes what numpy has no type for.
    """
    names = [value.name for value in read_outline(path).inputs]
    try:
        with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            return _types(data, names)
    except (OSError, ValueError, KeyError, TypeError) as error:  # the last: a number where a part should be
        raise InputError("{}: the types of its inputs cannot be read: {}".format(path, error)) from error


def _types(data, names):
    graph = [span for number, span in fields(data, 0, len(data)) if number == 7][-1]
    kinds, values = set(), {11: [], 12: []}
    for number, span in fields(data, *graph):
        if number == 5:
            kinds.update(part[0] for field, part in fields(data, *span) if field == 2)
        elif number in values:
            values[number].append(value_of(data, span))
    inputs = [value for value in values[11] if value[0] in names]
    kinds.update(kind for _, kind, _ in inputs + values[12])
    specs = [[Spec(name, shape, DTYPES[kind]) for name, kind, shape in each] for each in (inputs, values[12])]
    return Types(specs[0], specs[1], FLOAT16 in kinds)
