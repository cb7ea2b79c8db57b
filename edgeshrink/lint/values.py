"""Values as rules look at them: sizes, types and bytes, as far as they are known."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy.typing as npt
import onnx_ir as ir

from edgeshrink.graph.stored import stored_tensor

__all__ = [
    "Array",
    "bytes_of",
    "dtype_of",
    "input_of",
    "is_constant",
    "rank_of",
    "sizes_of",
]

Array = npt.NDArray[Any]


def is_constant(value: ir.Value | None) -> bool:
    """Whether the parser knows the value as weights: stored, or stored behind a DequantizeLinear."""
    if stored_tensor(value) is not None:
        return True
    maker = None if value is None else value.producer()
    return (
        maker is not None
        and maker.op_type == "DequantizeLinear"
        and stored_tensor(input_of(maker, 0)) is not None
    )


def sizes_of(value: ir.Value | None) -> tuple[int, ...] | None:
    """All sizes of a value; None where the rank or one of them is not known."""
    if value is None:
        return None
    tensor = stored_tensor(value)
    shape = value.shape if tensor is None else tensor.shape
    if shape is None:
        return None
    sizes = tuple(size for size in shape if isinstance(size, int))
    return sizes if len(sizes) == len(shape) else None


def input_of(node: ir.Node, index: int) -> ir.Value | None:
    """An input; None where it is left out, or where the network's opset does not have it yet."""
    return node.inputs[index] if index < len(node.inputs) else None


def dtype_of(value: ir.Value | None) -> ir.DataType | None:
    """The element type, of stored values the tensor's own; None where it is not known."""
    tensor = stored_tensor(value)
    if tensor is not None:
        return tensor.dtype
    return None if value is None else value.dtype


def rank_of(value: ir.Value | None) -> int | None:
    """How many dimensions a value has; None where that is not known."""
    tensor = stored_tensor(value)
    if tensor is not None:
        return len(tensor.shape)
    return None if value is None or value.shape is None else value.shape.rank()


def bytes_of(value: ir.Value) -> int | None:
    """How much memory a value takes, in bytes; None where its sizes or its type are not known."""
    sizes = sizes_of(value)
    dtype = dtype_of(value)
    if sizes is None or dtype in (None, ir.DataType.STRING, ir.DataType.UNDEFINED):
        return None
    return -(-prod(sizes) * dtype.bitwidth // 8)
