"""A pickled network made real: torch's own layers, the user's classes where --arch says, plain data inside.

No constructor of the file's choosing runs: an object is made by ``__new__`` and given its attributes.
PerforatedAI's modules are not made; the layer that each wraps takes its place.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from edgeshrink.checkpoint.pickles.data import UnbuildableError, data, function
from edgeshrink.checkpoint.pickles.interpreter import Name, Record
from edgeshrink.checkpoint.pickles.modules import (
    DEEPEST,
    TRAINING_HISTORY,
    children,
    module_class,
    set_members,
)
from edgeshrink.checkpoint.pickles.names import (
    Kind,
    class_name,
    kind_of,
    reached_by_getattr,
    torch_module_class,
)
from edgeshrink.checkpoint.pickles.records import is_module, mapping_of, state_of
from edgeshrink.checkpoint.pickles.tensors import StoredTensors, is_tensor
from edgeshrink.checkpoint.pickles.user_classes import UserClasses

if TYPE_CHECKING:
    from torch import Tensor, nn

__all__ = ["build"]

_OWN_PARTS = ("_parameters", "_buffers", "_modules", "_non_persistent_buffers_set")
_WRAPPED = ("main_module", "layer_array", "model")  # what a PerforatedAI module holds its layer in
_PARALLEL = Name("torch.nn.parallel.data_parallel", "DataParallel")
_PRUNE = "torch.nn.utils.prune"


def build(record: Record, tensors: StoredTensors, classes: UserClasses) -> nn.Module:
    """Make the network that a record stands for; what is shared in it stays shared.

    Raises:
        UnbuildableError: A class is not found, or an attribute is nothing that may be made; says which.
        TensorError: A tensor cannot be made.
    """
    if module_class(record) == _PARALLEL:  # its prefix "module." is taken off the names, too
        record = dict(children(record)).get("module", record)
    return _Builder(tensors, classes).module(record, 0)


class _Builder:
    """What was made so far."""

    def __init__(self, tensors: StoredTensors, classes: UserClasses) -> None:
        self.tensors, self.classes = tensors, classes
        self.made: dict[int, Any] = {}

    def module(self, record: Record, depth: int) -> nn.Module:
        """Make a module, or the layer that a PerforatedAI module wraps."""
        from torch import nn

        if depth > DEEPEST:
            raise UnbuildableError("its layers lie inside each other too deep")
        while kind_of(module_class(record)) is Kind.LIBRARY:
            record, depth = _wrapped(record), depth + 1
            if depth > DEEPEST:
                raise UnbuildableError("its layers lie inside each other too deep")
        if id(record) in self.made:
            found = self.made[id(record)]
            assert isinstance(found, nn.Module)
            return found
        cls: Any = self._class(module_class(record))
        module = cls.__new__(cls)
        if not isinstance(module, nn.Module):
            raise UnbuildableError(f"{cls.__name__} makes a {type(module).__name__} of itself")
        self.made[id(record)] = module
        nn.Module.__init__(module)
        self._fill(module, record, depth)
        return module

    def _class(self, name: Name) -> type[Any]:
        from torch import nn

        cls = torch_module_class(name) or self.classes.find(name)
        if not issubclass(cls, nn.Module):
            raise UnbuildableError(f"{name.dotted} is no torch.nn.Module where --arch says")
        return cls

    def _fill(self, module: nn.Module, record: Record, depth: int) -> None:
        """Give a module its parameters, buffers, layers and attributes."""
        where = module_class(record).dotted
        state = state_of(record) or {}
        pruned = _prune_hooks(state, where)
        parameters = self._weights(state, "_parameters")
        buffers = self._weights(state, "_buffers")
        buffers.pop(TRAINING_HISTORY, None)
        for masked in pruned:  # the masks are applied to the file's tensors, under the parameter's own name
            parameters[masked] = parameters.pop(f"{masked}_orig", None)
            buffers.pop(f"{masked}_mask", None)
        attributes: dict[str, Any] = {
            "_parameters": {name: None if t is None else _parameter(t) for name, t in parameters.items()},
            "_buffers": buffers,
            "_non_persistent_buffers_set": set(set_members(state.get("_non_persistent_buffers_set"))),
            "_modules": self._layers(state, record, depth),
        }
        for name, value in state.items():
            if name in _OWN_PARTS or name in pruned or _is_hooks(name):
                continue
            own = _attribute(name, type(module), where)
            attributes[own] = self.value(value, depth + 1, f"{where}.{own}")
        if module_class(record) == _PARALLEL:
            attributes["device_ids"] = []  # runs where its tensors are
        try:
            module.__setstate__(attributes)  # type: ignore[no-untyped-call]
        except Exception as error:
            raise UnbuildableError(
                f"{where} does not take its state: {type(error).__name__}: {error}"
            ) from error

    def _weights(self, state: Mapping[object, object], part: str) -> dict[str, Tensor | None]:
        held = mapping_of(state.get(part)) or {}
        return {
            str(name): self.tensors.tensor(value) if isinstance(value, Record) else None
            for name, value in held.items()
        }

    def _layers(
        self, state: Mapping[object, object], record: Record, depth: int
    ) -> dict[str, nn.Module | None]:
        layers: dict[str, nn.Module | None] = {
            str(name): None for name in mapping_of(state.get("_modules")) or {}
        }
        for name, child in children(record):
            layers[name] = self.module(child, depth + 1)
        return layers

    def value(self, value: object, depth: int, where: str) -> Any:
        """Make an attribute's value: data, tensors, activation functions, modules in lists."""
        if value is None or type(value) in (bool, int, float, str, bytes):
            return value
        if depth > 2 * DEEPEST:
            raise UnbuildableError(f"{where} is nested too deep")
        if id(value) in self.made:
            return self.made[id(value)]
        if isinstance(value, list | dict):
            return self._container(value, depth, where)
        if isinstance(value, tuple):
            made: Any = tuple(self.value(item, depth + 1, where) for item in value)
        elif (name := reached_by_getattr(value)) is not None:
            made = self._mentioned(name, where)
        elif isinstance(value, Record):
            made = self._record(value, depth, where)
        else:
            raise UnbuildableError(f"{where} is a {type(value).__name__}")
        self.made[id(value)] = made
        return made

    def _container(self, value: list[Any] | dict[Any, Any], depth: int, where: str) -> Any:
        """Make a list or dictionary, which may hold itself."""
        if isinstance(value, list):
            items: list[Any] = []
            self.made[id(value)] = items
            items.extend(self.value(item, depth + 1, where) for item in value)
            return items
        pairs: dict[Any, Any] = {}
        self.made[id(value)] = pairs
        for key, item in value.items():
            pairs[self.value(key, depth + 1, where)] = self.value(item, depth + 1, where)
        return pairs

    def _mentioned(self, name: Name, where: str) -> Any:
        """Resolve a class, a dtype or a function that is an attribute."""
        kind = kind_of(name)
        if kind is Kind.MODULE:
            return self._class(name)
        if kind is Kind.USER:
            return self.classes.find(name)
        return function(name, where)

    def _record(self, record: Record, depth: int, where: str) -> Any:
        if is_module(record):
            return self.module(record, depth)
        if is_tensor(record):
            return self.tensors.tensor(record)
        name = class_name(record)
        if name is not None and kind_of(name) is Kind.USER and not record.called:
            return self._plain_object(name, record, depth, where)
        return data(record, lambda value: self.value(value, depth + 1, where), where)

    def _plain_object(self, name: Name, record: Record, depth: int, where: str) -> Any:
        """Make a user's object of plain attributes, such as a dataclass with settings."""
        cls: Any = self.classes.find(name)
        state = state_of(record)
        simple = cls.__new__ is object.__new__ and not {"__setstate__", "__del__"} & set(dir(cls))
        if not simple or (state is None and record.states):
            raise UnbuildableError(f"{where} is a {name.dotted} with more than plain attributes")
        made = object.__new__(cls)
        self.made[id(record)] = made
        for key, value in (state or {}).items():
            made.__dict__[_attribute(key, cls, where)] = self.value(value, depth + 1, where)
        return made


def _wrapped(record: Record) -> Record:
    """The layer that a module of PerforatedAI wraps: in a list, the last is the main one."""
    held = dict(children(record))
    for name in _WRAPPED:
        if name in held:
            inner = held[name]
            if name != "layer_array":
                return inner
            if layers := list(children(inner)):
                return layers[-1][1]
    raise UnbuildableError(f"{module_class(record).dotted} wraps no layer")


def _parameter(tensor: Tensor) -> Tensor:
    from torch import nn

    if isinstance(tensor, nn.Parameter):
        return tensor
    return nn.Parameter(tensor, requires_grad=False)


def _is_hooks(name: object) -> bool:
    return isinstance(name, str) and name.startswith("_") and "_hooks" in name


def _prune_hooks(state: Mapping[object, object], where: str) -> list[str]:
    """Refuse a module with hooks, but for those of torch.nn.utils.prune: return the parameters they mask."""
    pruned = []
    for name, value in state.items():
        if not _is_hooks(name):
            continue
        mapping = mapping_of(value)
        if mapping is None:
            raise UnbuildableError(f"{where}.{name} is no dictionary")
        for hook in mapping.values():
            cls = class_name(hook) if isinstance(hook, Record) else None
            known = cls is not None and cls.module == _PRUNE and name == "_forward_pre_hooks"
            held = state_of(hook) if known and isinstance(hook, Record) else None
            masked = held.get("_tensor_name") if held is not None else None
            if not isinstance(masked, str):
                raise UnbuildableError(f"{where} has hooks ({name}), which are code")
            pruned.append(masked)
    return pruned


def _attribute(name: object, cls: type, where: str) -> str:
    """Check an attribute's name: an identifier, and of no method."""
    if not isinstance(name, str) or not name.isidentifier() or name.startswith("__"):
        raise UnbuildableError(f"{where} has an attribute of no possible name: {str(name)[:60]!r}")
    own = inspect.getattr_static(cls, name, None)
    if inspect.isroutine(own) or isinstance(own, staticmethod | classmethod):
        raise UnbuildableError(f"{where} has an attribute {name} in place of its method")
    return name
