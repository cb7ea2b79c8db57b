"""A pickled network's tensors under the names that its ``state_dict()`` would give them."""

from __future__ import annotations

from collections.abc import Iterator

from edgeshrink.checkpoint.pickles.interpreter import BadPickleError, Name, Record
from edgeshrink.checkpoint.pickles.names import class_name
from edgeshrink.checkpoint.pickles.records import is_module, mapping_of, state_of
from edgeshrink.checkpoint.pickles.tensors import is_tensor

__all__ = ["DEEPEST", "TRAINING_HISTORY", "children", "module_class", "persistent_tensors", "set_members"]

TRAINING_HISTORY = "tracker_string"  # a buffer that PerforatedAI adds to the network it trains
DEEPEST = 64  # modules inside modules
# Counted as often as they are reached: shared ones can be reached exponentially often.
_MOST_MODULES = 100_000


def module_class(record: Record) -> Name:
    """The class of a module's record."""
    name = class_name(record)
    assert name is not None, "only what is_module approves of"
    return name


def children(record: Record) -> Iterator[tuple[str, Record]]:
    """A module's children by name.

    Raises:
        BadPickleError: One is no module, or has a name that torch would not take.
    """
    for name, child in _part(record, "_modules"):
        if child is None:
            continue
        if not isinstance(child, Record) or not is_module(child):
            raise BadPickleError(
                f"{module_class(record).dotted} has {name!r} among its layers, which is none"
            )
        yield name, child


def persistent_tensors(record: Record) -> dict[str, Record]:
    """Name in the state_dict -> tensor, for a module and all inside it.

    Raises:
        BadPickleError: Modules lie inside themselves or too deep, are too many, or hold what is no tensor.
    """
    found: dict[str, Record] = {}
    ahead: list[tuple[str, Record, int]] = [("", record, 0)]
    count = 0
    while ahead:
        prefix, module, depth = ahead.pop()
        count += 1
        if depth > DEEPEST:
            raise BadPickleError(f"layers inside layers, more than {DEEPEST} deep, or inside themselves")
        if count > _MOST_MODULES:
            raise BadPickleError(f"more than {_MOST_MODULES:,} layers")
        hidden = set_members((state_of(module) or {}).get("_non_persistent_buffers_set"))
        for part, skipped in (("_parameters", frozenset()), ("_buffers", hidden)):
            for name, value in _part(module, part):
                if value is None or name in skipped:
                    continue
                if not isinstance(value, Record) or not is_tensor(value):
                    raise BadPickleError(f"{prefix}{name} is among the weights, and no tensor")
                found[f"{prefix}{name}"] = value
        inner = [(f"{prefix}{name}.", child, depth + 1) for name, child in children(module)]
        ahead.extend(reversed(inner))
    return found


def set_members(value: object) -> frozenset[str]:
    """The strings in a pickled set."""
    if not isinstance(value, Record):
        return frozenset()
    listed = [item for part in value.args if isinstance(part, list | tuple) for item in part]
    return frozenset(item for item in [*listed, *value.items] if isinstance(item, str))


def _part(record: Record, part: str) -> Iterator[tuple[str, object]]:
    """One of a module's dictionaries: _parameters, _buffers or _modules."""
    mapping = mapping_of((state_of(record) or {}).get(part))
    if mapping is None:
        if (state_of(record) or {}).get(part) is None:
            return
        raise BadPickleError(f"{module_class(record).dotted} has {part} that are no dictionary")
    for name, value in mapping.items():
        if not isinstance(name, str) or not name or "." in name or len(name) > 1000:
            raise BadPickleError(
                f"{module_class(record).dotted} has a part of no possible name: {str(name)[:60]!r}"
            )
        yield name, value
