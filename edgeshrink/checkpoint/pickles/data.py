"""Plain values among a pickled network's attributes: sets, settings, paths, numbers, dtypes, activations."""

from __future__ import annotations

import argparse
import collections
import pathlib
import types
from collections.abc import Callable
from typing import Any

from edgeshrink.checkpoint.pickles.interpreter import Name, Record
from edgeshrink.checkpoint.pickles.names import Kind, class_name, kind_of
from edgeshrink.checkpoint.pickles.records import mapping_of, state_of

__all__ = ["UnbuildableError", "data", "function"]

Restore = Callable[[object], Any]
_FACTORIES: dict[str, Any] = {"list": list, "dict": dict, "set": set, "int": int, "float": float, "str": str}


class UnbuildableError(ValueError):
    """A network cannot be made from its pickle; the message says what is in the way."""


def data(record: Record, restore: Restore, where: str) -> Any:
    """Make a plain value; ``restore`` makes what is inside it.

    Raises:
        UnbuildableError: It is of a class whose values are not made.
    """
    name = class_name(record)
    make = _MAKERS.get(name.name) if name is not None and kind_of(name) is Kind.DATA else None
    if name is None or make is None:
        raise UnbuildableError(f"{where} is a {name.dotted if name is not None else 'called object'}")
    try:
        return make(record, restore)
    except (TypeError, ValueError, IndexError, AttributeError, OverflowError, LookupError) as error:
        if isinstance(error, UnbuildableError):
            raise
        raise UnbuildableError(f"{where} is a damaged {name.dotted}: {error}") from error


def function(name: Name, where: str) -> Any:
    """Look up a dtype or an activation function of torch, by a name that is allowed.

    Raises:
        UnbuildableError: It is none.
    """
    import torch

    kind = kind_of(name)
    if kind is Kind.TYPE and name.module == "torch":
        return vars(torch).get(name.name)
    if kind is Kind.FUNCTION:
        owners = {"torch.nn.functional": torch.nn.functional, "torch._C._nn": torch._C._nn}
        function = name.name.removeprefix("_VariableFunctionsClass.")
        found = getattr(owners.get(name.module, torch), function, None)
        if callable(found):
            return found
    raise UnbuildableError(f"{where} is {name.dotted}")


def _ordered(record: Record, restore: Restore) -> Any:
    return collections.OrderedDict(_pairs(record, restore))


def _pairs(record: Record, restore: Restore) -> list[tuple[Any, Any]]:
    return [(restore(key), restore(value)) for key, value in (mapping_of(record) or {}).items()]


def _default(record: Record, restore: Restore) -> Any:
    factory = record.args[0] if record.args else None
    if factory is not None and not (isinstance(factory, Name) and factory.module == "builtins"):
        raise UnbuildableError("a defaultdict of another factory than a builtin class")
    return collections.defaultdict(_FACTORIES[factory.name] if factory else None, _pairs(record, restore))


def _set(record: Record, restore: Restore) -> Any:
    inside = [*(record.args[0] if record.args else ()), *record.items]  # type: ignore[misc]
    return {restore(item) for item in inside}


def _namespace(record: Record, restore: Restore) -> Any:
    state = state_of(record) or {}
    made: Any = argparse.Namespace() if _called(record, "Namespace") else types.SimpleNamespace()
    made.__dict__.update({str(key): restore(value) for key, value in state.items()})
    return made


def _called(record: Record, name: str) -> bool:
    cls = class_name(record)
    return cls is not None and cls.name == name


def _path(record: Record, restore: Restore) -> Any:
    return pathlib.Path(*(str(part) for part in record.args))


def _size(record: Record, restore: Restore) -> Any:
    import torch

    return torch.Size(restore(record.args[0]))


def _device(record: Record, restore: Restore) -> Any:
    import torch

    return torch.device("cpu")  # where the tensors are, wherever they were trained


def _bytes(record: Record, restore: Restore) -> Any:
    text, encoding = record.args
    if not isinstance(text, str) or encoding != "latin1":
        raise ValueError("bytes in another form than pickle writes")
    return text.encode("latin-1")


def _number(record: Record, restore: Restore) -> Any:
    """Make a number of NumPy: ``scalar(dtype("f8", False, True), bytes)``."""
    import numpy as np

    described, content = record.args
    code = described.args[0] if isinstance(described, Record) else None
    held = content if isinstance(content, bytes) else restore(content)
    if not isinstance(code, str) or len(code) != 2 or code[0] not in "biuf" or not isinstance(held, bytes):
        raise ValueError("no number")
    return np.frombuffer(held, dtype=np.dtype(f"<{code}"), count=1)[0]


_MAKERS: dict[str, Callable[[Record, Restore], Any]] = {
    "OrderedDict": _ordered,
    "Counter": lambda record, restore: collections.Counter(dict(_pairs(record, restore))),
    "defaultdict": _default,
    "deque": lambda record, restore: collections.deque(
        [restore(item) for item in [*(record.args[0] if record.args else ()), *record.items]],  # type: ignore[misc]
        *(restore(most) for most in record.args[1:2]),
    ),
    "set": _set,
    "frozenset": lambda record, restore: frozenset(_set(record, restore)),
    "complex": lambda record, restore: complex(*(float(part) for part in record.args)),  # type: ignore[arg-type]
    "slice": lambda record, restore: slice(*(restore(part) for part in record.args)),
    "range": lambda record, restore: range(*(restore(part) for part in record.args)),
    "Namespace": _namespace,
    "SimpleNamespace": _namespace,
    "Path": _path,
    "PosixPath": _path,
    "WindowsPath": _path,
    "PurePosixPath": _path,
    "Size": _size,
    "device": _device,
    "encode": _bytes,
    "scalar": _number,
}
