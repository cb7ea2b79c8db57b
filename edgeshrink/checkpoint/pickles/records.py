"""What a pickle would make, looked at: a dictionary, an object's attributes, a module."""

from __future__ import annotations

from collections.abc import Mapping

from edgeshrink.checkpoint.pickles.interpreter import Record
from edgeshrink.checkpoint.pickles.names import Kind, class_name, kind_of

__all__ = ["is_module", "mapping_of", "state_of"]

_DICTIONARIES = ("OrderedDict", "defaultdict", "Counter", "dict")


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
