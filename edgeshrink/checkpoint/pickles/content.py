"""What was saved, seen as dictionaries: which part of it is the network's weights, or the network itself?"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from edgeshrink.checkpoint.pickles.interpreter import Record
from edgeshrink.checkpoint.pickles.names import Kind, class_name, kind_of
from edgeshrink.checkpoint.pickles.tensors import is_tensor
from edgeshrink.errors import InputError

__all__ = ["Records", "View", "choose", "is_module", "mapping_of", "state_of"]

_WRAPPERS = ("state_dict", "model_state_dict", "model", "net", "network", "module", "ema")
_DEEPEST = 4
_DICTIONARIES = ("OrderedDict", "defaultdict", "Counter", "dict")


class View(Protocol):
    """How to look at what was saved, whether as records or as live objects."""

    def mapping(self, value: object) -> Mapping[object, object] | None:
        """The value as a dictionary, where it is one."""

    def is_tensor(self, value: object) -> bool:
        """Tell whether it is a tensor."""

    def is_module(self, value: object) -> bool:
        """Tell whether it is a network."""

    def kind(self, value: object) -> str:
        """What it is, for people."""


def choose(path: Path, root: object, view: View) -> tuple[object, list[str]]:
    """Find the network or its state_dict, and warn of others that are not read.

    Raises:
        InputError: There is none; says what there is.
    """
    search = _Search(path.name, view)
    found = search.find(root, "", 0)
    if found is not None:
        return found, search.warnings
    mapping = view.mapping(root)
    if mapping is None:
        raise InputError(
            f"{path} holds a {view.kind(root)}, not a state_dict",
            "Save torch.save(net.state_dict(), ...) where the network was trained.",
        )
    if "param_groups" in mapping or {"optimizer", "optimizer_state_dict"} & set(mapping):
        raise InputError(
            f"{path} holds an optimizer's state, and no network's weights",
            "Give the file with the weights: torch.save(net.state_dict(), ...), not optimizer.state_dict().",
        )
    keys = ", ".join(repr(key) for key in list(mapping)[:8])
    raise InputError(
        f"{path} holds no state_dict: its keys are {keys or 'none'}",
        f"Save torch.save(net.state_dict(), ...), bare or under one of: {', '.join(_WRAPPERS)}.",
    )


class _Search:
    """The first network in the order of ``_WRAPPERS``, however deep; each value is looked at once."""

    def __init__(self, file: str, view: View) -> None:
        self.file, self.view = file, view
        self.warnings: list[str] = []
        self._seen: dict[int, object] = {}

    def find(self, value: object, at: str, depth: int) -> object:
        if id(value) not in self._seen:
            self._seen[id(value)] = None
            self._seen[id(value)] = self._look(value, at, depth)
        return self._seen[id(value)]

    def _look(self, value: object, at: str, depth: int) -> object:
        if self.view.is_module(value):
            return value
        mapping = self.view.mapping(value)
        if mapping is None or depth > _DEEPEST:
            return None
        inside = [(name, mapping[name]) for name in _WRAPPERS if name in mapping]
        found = [(name, self.find(part, f"{at}{name}.", depth + 1)) for name, part in inside]
        found = [(name, part) for name, part in found if part is not None]
        if found:
            self._tell_others(at, found[0][0], [name for name, part in found if part is not found[0][1]])
            return found[0][1]
        named = any(isinstance(key, str) and self.view.is_tensor(part) for key, part in mapping.items())
        return value if named else None

    def _tell_others(self, at: str, first: str, others: list[str]) -> None:
        if others:
            left = " and ".join(repr(f"{at}{name}") for name in others)
            self.warnings.append(
                f"{self.file} holds more than one network: {f'{at}{first}'!r} was read, {left} not."
            )


class Records:
    """A view of records."""

    def mapping(self, value: object) -> Mapping[object, object] | None:
        """The value as a dictionary, where it is one."""
        return mapping_of(value)

    def is_tensor(self, value: object) -> bool:
        """Tell whether it is a tensor."""
        return is_tensor(value)

    def is_module(self, value: object) -> bool:
        """Tell whether it is a network."""
        return is_module(value)

    def kind(self, value: object) -> str:
        """Its class, without the module."""
        name = class_name(value) if isinstance(value, Record) else None
        if is_tensor(value):
            return "Tensor"
        return name.name if name is not None else type(value).__name__


def mapping_of(value: object) -> Mapping[object, object] | None:
    """A pickled dictionary of any class as a dictionary, or None."""
    if isinstance(value, dict):
        return value
    name = class_name(value) if isinstance(value, Record) else None
    if not isinstance(value, Record) or name is None or name.name not in _DICTIONARIES:
        return None
    if kind_of(name) is not Kind.DATA:
        return None
    pairs = list(value.pairs)
    for argument in value.args:
        if isinstance(argument, dict):
            pairs = [*argument.items(), *pairs]
        elif isinstance(argument, list):  # Python 2 wrote lists of [key, value]
            pairs = [(pair[0], pair[1]) for pair in argument if _is_pair(pair)] + pairs
    return dict(pairs)


def _is_pair(value: object) -> bool:
    return isinstance(value, list | tuple) and len(value) == 2 and isinstance(value[0], str | int)


def state_of(record: Record) -> dict[object, object] | None:
    """The one dictionary of attributes that a record's object would be given, or None."""
    if len(record.states) != 1:
        return None
    state = record.states[0]
    if isinstance(state, tuple) and len(state) == 2 and state[1] in (None, {}):
        state = state[0]
    return state if isinstance(state, dict) else None


def is_module(value: object) -> bool:
    """Tell whether a pickled value is a module of torch, of PerforatedAI or of the user's."""
    if not isinstance(value, Record) or value.called:
        return False
    name = class_name(value)
    if name is None or kind_of(name) not in (Kind.MODULE, Kind.LIBRARY, Kind.USER):
        return False
    state = state_of(value)
    return state is not None and "_modules" in state and "_parameters" in state
