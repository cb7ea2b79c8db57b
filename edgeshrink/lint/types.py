"""Element types: which TensorRT has, which its parser narrows, and which numbers do not survive that."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import onnx_ir as ir

from edgeshrink.graph.stored import stored_array
from edgeshrink.lint.rule import Hit, rule
from edgeshrink.lint.subject import Subject
from edgeshrink.lint.values import Array, dtype_of

__all__: list[str] = []

INT32, FLOAT = np.iinfo(np.int32), np.finfo(np.float32)


def _narrowed(network: Subject, value: ir.Value) -> str | None:
    """What the parser makes of the value's type, None where it keeps it."""
    dtype = dtype_of(value)
    if network.parser is None or dtype is None:
        return None
    return network.parser.narrowed.get(dtype.name)


@rule("tensor-type", "error")
def tensor_type(network: Subject) -> Iterator[Hit]:
    """TensorRT has no such type; UINT8 constants become INT32, and inputs have a rule of their own."""
    if network.parser is None:
        return
    known = {*network.parser.network_types, *network.parser.narrowed}
    stored = set(network.constants)
    computed = {value: None for node in network.nodes for value in node.outputs if value not in stored}
    for value in [*network.graph.inputs, *network.constants, *computed]:
        dtype, kind = dtype_of(value), value.type
        tensor = kind is None or isinstance(kind, ir.TensorType)
        name = dtype.name if tensor and dtype else "UNDEFINED" if tensor else type(kind).__name__
        spared = {"UNDEFINED"} if value in computed else {"UNDEFINED", "UINT8"}
        if name not in known | spared:
            yield Hit(
                f"{name} is no type of TensorRT {network.parser.version}.",
                f"Cast to one of {', '.join(network.parser.network_types)} in forward.",
                value,
            )


@rule("int64-overflow", "error")
def int64_overflow(network: Subject) -> Iterator[Hit]:
    """The parser clamps INT64 constants to INT32, with one warning in its log."""
    for value in network.constants:
        array = stored_array(value)
        if _narrowed(network, value) != "INT32" or array is None or array.dtype != np.int64 or not array.size:
            continue
        if (array.max() > INT32.max or array.min() < INT32.min) and not _only_bounds(value):
            yield Hit(
                f"It holds {array.max() if array.max() > INT32.max else array.min()}: clamped to INT32.",
                "Use smaller numbers in forward.",
                value,
            )


def _only_bounds(value: ir.Value) -> bool:
    """Whether only Slice reads it, as starts or ends: those mean the same when they are clamped."""
    return all(node.op_type == "Slice" and index in (1, 2) for node, index in value.uses())


@rule("double-overflow", "error")
def double_overflow(network: Subject) -> Iterator[Hit]:
    """The parser makes FLOAT of DOUBLE constants."""
    for value in network.constants:
        array = stored_array(value)
        if _narrowed(network, value) == "FLOAT" and array is not None and _beyond(array, float(FLOAT.max)):
            yield Hit(
                "It holds numbers beyond float32, which the parser clamps.",
                "Use smaller numbers in forward.",
                value,
            )


def _beyond(array: Array, limit: float) -> bool:
    finite = array[np.isfinite(array)]
    return bool(finite.size) and bool(np.abs(finite).max() > limit)


@rule("double-narrowed", "warning")
def double_narrowed(network: Subject) -> Iterator[Hit]:
    """The device computes in FLOAT what the network computes in DOUBLE."""
    made = [value for node in network.nodes for value in node.outputs if _narrowed(network, value) == "FLOAT"]
    if made:
        yield Hit(
            f"{len(made)} values are DOUBLE, which the parser narrows to FLOAT: they are rounded as such.",
            "Export the network in float32.",
            made[0],
        )


@rule("narrowed-interface", "warning")
def narrowed_interface(network: Subject) -> Iterator[Hit]:
    """An input or output is declared in a type that the engine does not have."""
    for value in [*network.graph.inputs, *network.graph.outputs]:
        kind = _narrowed(network, value)
        if kind and value.dtype is not None:
            yield Hit(*_narrower(value, value.dtype.name, kind), value)


def _narrower(value: ir.Value, wide: str, kind: str) -> tuple[str, str]:
    """What is wrong with an input or output of a type that the engine narrows, and what to do."""
    if not value.is_graph_input():
        why = f"The output is {wide} in the file, and {kind} in the engine: read as {wide}, it is garbage."
        return (
            why,
            f"Take it through `edgeshrink export`, which declares {kind}, or read {kind} from the engine.",
        )
    sizes = value.shape or ()
    shape = "x".join(str(size) if isinstance(size, int) else "1" for size in sizes) or "1"
    dtype = ir.DataType[kind].numpy()
    return (
        f"The input is {wide} in the file, and {kind} in the engine: fed {wide}, it reads garbage.",
        f"Take it through `edgeshrink export`, which declares {kind} (so does --input "
        f"{value.name}:{shape}:{dtype} of a checkpoint), or feed the engine {kind}.",
    )


@rule("uint8-input", "error")
def uint8_input(network: Subject) -> Iterator[Hit]:
    """UINT8 constants become INT32, but an input of the network cannot have the type before 8.5."""
    if network.parser is None or "UINT8" in network.parser.network_types:
        return
    for value in network.graph.inputs:
        if value.dtype == ir.DataType.UINT8:
            yield Hit(
                f"TensorRT {network.parser.version} has no inputs of UINT8.",
                "Take float32, and convert the bytes before the network.",
                value,
            )


@rule("bool-input", "note")
def bool_input(network: Subject) -> Iterator[Hit]:
    """TensorRT's boolean is a byte of 0 or 1; its header leaves all other values undefined."""
    for value in network.graph.inputs:
        if value.dtype == ir.DataType.BOOL:
            yield Hit(
                "The input is BOOL: one byte each, and TensorRT defines 0 and 1 alone.",
                "Feed it 0 and 1, never another byte.",
                value,
            )


@rule("clip-computed-bound", "error")
def clip_computed_bound(network: Subject) -> Iterator[Hit]:
    """Bounds that are computed may be FLOAT or INT32."""
    for node in network.of("Clip"):
        for bound in node.inputs[1:3]:
            if bound is None or (dtype := dtype_of(bound)) is None or stored_array(bound) is not None:
                continue
            kind = _narrowed(network, bound) or dtype.name
            if kind not in ("FLOAT", "INT32"):
                yield Hit(
                    f"Its bound {bound.name} is {kind} and computed.", "Make the bound a constant.", node
                )
