"""Overloads as pybind11 writes them, "(a: int, b: str = None)", and calls held against them."""

import collections
import re

Argument = collections.namedtuple("Argument", "name type default")
REQUIRED = object()
LITERALS = {"None": None, "True": True, "False": False, "''": "", "0": 0, "1": 1}
NUMBERS = ("int", "SupportsInt")
BUFFERS = ("buffer", "Buffer")


def parse_overload(text):
    """The arguments of "(a: int, b: str = None)"; a default that is an enumeration's becomes its name."""
    return [parse_argument(part) for part in split(text[1:-1])]


def split(text):
    """`text` at its commas outside of brackets."""
    parts, depth, start = [], 0, 0
    for position, letter in enumerate(text):
        depth += (letter in "[(<") - (letter in "])>")
        if letter == "," and depth == 0:
            parts.append(text[start:position])
            start = position + 1
    return [part.strip() for part in [*parts, text[start:]] if part.strip()]


def parse_argument(text):
    name, _, rest = text.partition(": ")
    kind, equals, default = rest.partition(" = ")
    if not equals:
        return Argument(name, kind, REQUIRED)
    enumeration = re.match(r"<(\w+)\.(\w+): \d+>", default)
    return Argument(name, kind, enumeration.groups() if enumeration else LITERALS[default])


def bind(api, overloads, words, named):
    """The arguments of the first overload that takes `words` and `named`, in order; None when none does."""
    for overload in overloads:
        values = fit(api, overload, words, named)
        if values is not None:
            return values
    return None


def fit(api, overload, words, named):
    names = [argument.name for argument in overload]
    if len(words) > len(names) or set(named) - set(names[len(words) :]):
        return None
    given = dict(zip(names, words), **named)
    values = []
    for argument in overload:
        if argument.name in given:
            if not accepts(api, argument.type, given[argument.name]):
                return None
            values.append(given[argument.name])
        elif argument.default is REQUIRED:
            return None
        else:
            values.append(resolve(api, argument.default))
    return values


def resolve(api, default):
    if isinstance(default, tuple):
        enumeration, name = default
        return getattr(api.Severity if enumeration == "Severity" else getattr(api, enumeration), name)
    return default


def accepts(api, kind, value):
    """Whether pybind11 would take `value` for an argument of the type written as `kind`."""
    listed = re.match(r"(?:List|Sequence)\[(.*)\]$", kind)
    if listed:
        return isinstance(value, (list, tuple)) and all(accepts(api, listed.group(1), each) for each in value)
    if kind in NUMBERS:
        return hasattr(type(value), "__index__")
    if kind in BUFFERS:
        return has_buffer(value)
    simple = {"str": str, "bool": bool, "tuple": tuple, "list": list}
    if kind in simple:
        return isinstance(value, simple[kind]) or (kind == "str" and value is None)
    if kind in ("float", "SupportsFloat"):
        return isinstance(value, float) or hasattr(type(value), "__index__")
    if kind == "Dims":
        return isinstance(value, api.Dims) or accepts(api, "List[int]", value)
    return accepts_object(api, kind, value)


def accepts_object(api, kind, value):
    if kind.endswith("Severity"):
        return isinstance(value, api.Severity)
    wanted = api.classes.get(kind.replace("IEngineInspector", "EngineInspector"))
    return wanted is None or value is None or isinstance(value, wanted)


def has_buffer(value):
    try:
        memoryview(value)
    except TypeError:
        return False
    return True
