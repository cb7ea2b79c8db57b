"""Which part of what was saved is the network's weights, or the network itself?"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from edgeshrink.checkpoint.pickles.interpreter import Record
from edgeshrink.checkpoint.pickles.names import class_name
from edgeshrink.checkpoint.pickles.records import is_module, mapping_of
from edgeshrink.checkpoint.pickles.tensors import is_tensor
from edgeshrink.errors import InputError

__all__ = ["Records", "View", "choose"]

_WRAPPERS = ("state_dict", "model_state_dict", "model", "net", "network", "module", "ema")
_DEEPEST = 4
_SHOWN = 4


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
            others = [name for name, part in found if part is not found[0][1]]
            self._tell_others(at, found[0][0], [*others, *self._networks(mapping, inside)])
            return found[0][1]
        named = any(isinstance(key, str) and self.view.is_tensor(part) for key, part in mapping.items())
        if named:
            self._tell_others(at, "", self._networks(mapping, inside))
        return value if named else None

    def _networks(self, mapping: Mapping[object, object], known: list[tuple[str, object]]) -> list[str]:
        """Names, other than the known ones, of other networks or state_dicts: an average, a teacher."""
        looked = {id(part) for _, part in known}
        names = []
        for name, part in mapping.items():
            if isinstance(name, str) and id(part) not in looked:
                looked.add(id(part))
                names += [name] if self._is_network(part) else []
        return names

    def _is_network(self, value: object) -> bool:
        if self.view.is_module(value):
            return True
        parts = self.view.mapping(value) or {}
        tensors = [key for key, part in parts.items() if isinstance(key, str) and self.view.is_tensor(part)]
        return any("." in key for key in tensors) and 2 * len(tensors) > len(parts)

    def _tell_others(self, at: str, first: str, others: list[str]) -> None:
        if others:
            left = " and ".join(repr(f"{at}{name}"[:60]) for name in others[:_SHOWN])
            left += f" and {len(others) - _SHOWN} more" if len(others) > _SHOWN else ""
            if first:
                told = f"holds more than one network: {f'{at}{first}'!r} was read, {left} not."
            else:
                told = f"holds loose tensors, which were read, and {left} beside them, which was not."
            self.warnings.append(f"{self.file} {told}")


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
