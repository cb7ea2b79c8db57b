"""Arguments and results of a torch.export program's operators, as its JSON has them -> Python's values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

__all__ = ["Reference", "dtype_of", "names_in", "read_results", "read_value", "references_in"]

# torch.export's numbers of element types.
_DTYPES = {
    1: "uint8",
    2: "int8",
    3: "int16",
    4: "int32",
    5: "int64",
    6: "float16",
    7: "float32",
    8: "float64",
    9: "complex32",
    10: "complex64",
    11: "complex128",
    12: "bool",
    13: "bfloat16",
    28: "uint16",
    29: "float8_e4m3fn",
    30: "float8_e5m2",
    34: "uint32",
    35: "uint64",
}
_MEMORY_FORMATS = {
    1: "contiguous_format",
    2: "channels_last",
    3: "channels_last_3d",
    4: "preserve_format",
}
_STRIDED = 7
_SINGLE = ("as_tensor", "as_sym_int", "as_sym_float", "as_sym_bool")
_SEVERAL = ("as_tensors", "as_sym_ints", "as_sym_floats", "as_sym_bools")


@dataclass(frozen=True)
class Reference:
    """A value by its name in the graph."""

    name: str


def dtype_of(number: int) -> torch.dtype:
    """The element type of torch.export's number for it."""
    import torch

    found: torch.dtype = getattr(torch, _DTYPES[number])
    return found


def read_value(stored: Mapping[str, Any]) -> Any:
    """A stored argument as Python's value, or as references to values.

    Raises:
        ValueError, TypeError, KeyError: It is of an unknown kind or type.
    """
    import torch

    ((kind, value),) = stored.items()
    if kind == "as_none":
        return None
    if kind in _SINGLE:
        return _symbolic(value)
    if kind in _SEVERAL:
        return [_symbolic(part) for part in value]
    if kind in ("as_optional_tensor", "as_optional_tensors"):
        parts = [read_value(part) for part in (value if isinstance(value, list) else [value])]
        return parts if isinstance(value, list) else parts[0]
    if kind in ("as_int", "as_bool", "as_string"):
        return _of_type(value, {"as_int": int, "as_bool": bool, "as_string": str}[kind])
    if kind == "as_float":
        return float(value)
    if kind in ("as_ints", "as_bools"):
        return [_of_type(part, int) for part in value]
    if kind == "as_floats":
        return [float(part) for part in value]
    if kind == "as_scalar_type":
        return dtype_of(value)
    if kind == "as_memory_format":
        return getattr(torch, _MEMORY_FORMATS[value])
    if kind == "as_device":
        return torch.device("cpu")  # wherever it was exported, here it runs
    if kind == "as_layout" and value == _STRIDED:
        return torch.strided
    raise ValueError(f"an argument is of kind {kind}")


def _symbolic(value: Mapping[str, Any]) -> Any:
    """A tensor by name, or a size: by name, or as a number."""
    ((kind, content),) = value.items()
    if kind in ("name", "as_name"):
        return Reference(_of_type(content, str))
    return _of_type(content, {"as_int": int, "as_float": float, "as_bool": bool}[kind])


def _of_type(value: Any, kind: type) -> Any:
    if not isinstance(value, kind):
        raise TypeError(f"{value!r:.40} is no {kind.__name__}")
    return value


def read_results(outputs: Sequence[Mapping[str, Any]]) -> Any:
    """The names of an operator's results: one where it returns one, a list where it returns several."""
    names = [_result(output) for output in outputs]
    return names[0] if len(names) == 1 else names


def _result(output: Mapping[str, Any]) -> Any:
    ((kind, value),) = output.items()
    if kind == "as_none":
        return None
    if kind in _SINGLE:
        return _of_type(value.get("name", value.get("as_name")), str)
    if kind == "as_tensors":
        return [_of_type(part["name"], str) for part in value]
    raise ValueError(f"a result is of kind {kind}")


def names_in(results: Any) -> Iterator[str]:
    """The names that ``read_results`` gave, however nested."""
    if isinstance(results, str):
        yield results
    elif isinstance(results, list):
        for part in results:
            yield from names_in(part)


def references_in(value: Any) -> Iterator[str]:
    """The names that arguments refer to, however nested."""
    if isinstance(value, Reference):
        yield value.name
    elif isinstance(value, Mapping):
        yield from references_in(list(value.values()))
    elif isinstance(value, (list, tuple)):
        for part in value:
            yield from references_in(part)
