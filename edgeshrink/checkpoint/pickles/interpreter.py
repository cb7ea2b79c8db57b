"""Pickles, interpreted without importing, calling or building anything.

A pickle is a program for a small stack machine. Here that machine runs with inert values: what the program
would import becomes a ``Name``, what it would call or instantiate becomes a ``Record`` of that wish. Lists,
dictionaries, tuples, strings and numbers are the real ones. So the names that a pickle is seen to ask for are
the names that it asks for: there is no second reader that could take its bytes another way.
"""

from __future__ import annotations

import pickletools
import warnings
from _compat_pickle import IMPORT_MAPPING, NAME_MAPPING
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import IO, Any

__all__ = ["BadPickleError", "Name", "Persistent", "Pickle", "Record", "interpret"]

_MOST_OPCODES = 2_000_000  # some 3 s; a checkpoint has about 40 a tensor
_LARGEST_INT_KEY = 1 << 60  # beyond it, integers can be chosen to share one hash
_DAMAGE = (IndexError, KeyError, TypeError, AttributeError, ValueError, OverflowError, MemoryError)


class BadPickleError(ValueError):
    """The bytes are no complete pickle, or one that no writer of checkpoints makes; says why."""


@dataclass(frozen=True, slots=True)
class Name:
    """What a pickle wants to import."""

    module: str
    name: str

    @property
    def dotted(self) -> str:
        """As one would write it: ``torch.nn.modules.linear.Linear``."""
        return f"{self.module}.{self.name}"


@dataclass(eq=False, slots=True)
class Record:
    """What a pickle wants to make: one call, and what it then does to the result.

    Attributes:
        callee: What would be called, mostly a ``Name``.
        args: With what.
        called: Whether it is called (REDUCE, INST, OBJ), and not only instantiated by ``__new__``.
        states: What BUILD would hand to the result's ``__setstate__``.
        items: What would be appended to the result.
        pairs: What would be set in the result by key, in order.
    """

    callee: object
    args: tuple[object, ...] = ()
    called: bool = True
    states: list[object] = field(default_factory=list)
    items: list[object] = field(default_factory=list)
    pairs: list[tuple[object, object]] = field(default_factory=list)


@dataclass(eq=False, slots=True)
class Persistent:
    """A reference out of the pickle: in torch's files, to a tensor storage."""

    id: object


@dataclass(eq=False, slots=True)
class Pickle:
    """A pickle interpreted.

    Attributes:
        root: The object it makes.
        names: Everything it wants to import, in order.
        records: Everything it wants to make, in order.
        persistents: Every reference out of it, in order.
        error: Why it could not be interpreted to its end.
    """

    root: object = None
    names: dict[Name, None] = field(default_factory=dict)
    records: list[Record] = field(default_factory=list)
    persistents: list[Persistent] = field(default_factory=list)
    error: str | None = None

    def whole(self) -> Pickle:
        """Return self.

        Raises:
            BadPickleError: It could not be interpreted to its end.
        """
        if self.error is not None:
            raise BadPickleError(self.error)
        return self


def interpret(data: bytes | IO[bytes]) -> Pickle:
    """Interpret one pickle; from a stream, no byte beyond its end is taken.

    Nothing is raised for bytes that are no pickle: see ``Pickle.error``.
    """
    machine = _Machine()
    try:
        with warnings.catch_warnings():  # of escapes that are none, in names
            warnings.simplefilter("ignore", DeprecationWarning)
            machine.run(data)
    except _DAMAGE as error:
        machine.made.error = str(error) or type(error).__name__
    return machine.made


class _Machine:
    """The stack, the memo, and what was made."""

    def __init__(self) -> None:
        self.stack: list[Any] = []
        self.below: list[list[Any]] = []  # the stacks under each MARK
        self.memo: dict[int, object] = {}
        self.made = Pickle()

    def run(self, data: bytes | IO[bytes]) -> None:
        for count, (opcode, argument, _) in enumerate(pickletools.genops(data)):
            if count >= _MOST_OPCODES:
                raise BadPickleError(
                    f"a pickle of more than {_MOST_OPCODES:,} steps, which no checkpoint has"
                )
            name = opcode.name
            if name in _CONSTANTS:
                self.stack.append(argument)
            elif name in _ACTIONS:
                _ACTIONS[name](self, argument)
            else:
                raise BadPickleError(f"pickle opcode {name}, which no checkpoint has")
        self.made.root = self.stack.pop()

    def push(self, value: object) -> None:
        """Append to the stack as it is by now: ``m.stack.append(m.pop_mark())`` means the one before."""
        self.stack.append(value)

    def pop_mark(self) -> list[Any]:
        items, self.stack = self.stack, self.below.pop()
        return items

    def mark(self, _: object) -> None:
        self.below.append(self.stack)
        self.stack = []

    def pop(self, _: object) -> None:
        if self.stack:
            self.stack.pop()
        else:
            self.pop_mark()

    def put(self, argument: object) -> None:
        self.memo[int(argument) if isinstance(argument, int) else len(self.memo)] = self.stack[-1]

    def name(self, module: object, name: object) -> None:
        if not (isinstance(module, str) and isinstance(name, str)):
            raise BadPickleError("a name to import that is no string")
        if (module, name) in NAME_MAPPING:  # what Python 2, and protocol 2 of Python 3, call otherwise
            module, name = NAME_MAPPING[module, name]
        found = Name(IMPORT_MAPPING.get(module, module), name)
        self.made.names[found] = None
        self.stack.append(found)

    def stack_global(self, _: object) -> None:
        name, module = self.stack.pop(), self.stack.pop()
        self.name(module, name)

    def record(self, callee: object, args: object, called: bool) -> None:
        if not isinstance(args, tuple):
            raise BadPickleError("a call whose arguments are no tuple")
        if called and callee == _RECONSTRUCTOR and len(args) == 3:  # how protocols 0 and 1 instantiate
            callee, args, called = args[0], (() if args[2] is None else (args[2],)), False
        elif called and callee == _NEWOBJ and args:
            callee, args, called = args[0], args[1:], False
        made = Record(callee, args, called)
        self.made.records.append(made)
        self.stack.append(made)

    def reduce(self, _: object) -> None:
        args, callee = self.stack.pop(), self.stack.pop()
        self.record(callee, args, called=True)

    def newobj(self, _: object) -> None:
        args, callee = self.stack.pop(), self.stack.pop()
        self.record(callee, args, called=False)

    def newobj_ex(self, _: object) -> None:
        keywords, args, callee = self.stack.pop(), self.stack.pop(), self.stack.pop()
        self.record(callee, (*args, keywords) if keywords else args, called=False)

    def inst(self, argument: object) -> None:
        module, _, name = str(argument).partition(" ")
        args = self.pop_mark()
        self.name(module, name)
        self.record(self.stack.pop(), tuple(args), called=True)

    def obj(self, _: object) -> None:
        callee, *args = self.pop_mark()
        self.record(callee, tuple(args), called=True)

    def build(self, _: object) -> None:
        state = self.stack.pop()
        if not isinstance(self.stack[-1], Record):
            raise BadPickleError(f"a state for a {type(self.stack[-1]).__name__}, which has none")
        self.stack[-1].states.append(state)

    def extend(self, items: list[Any]) -> None:
        target = self.stack[-1]
        if not isinstance(target, list | Record):
            raise BadPickleError(f"items for a {type(target).__name__}, which takes none")
        (target if isinstance(target, list) else target.items).extend(items)

    def set_items(self, flat: list[Any]) -> None:
        target = self.stack[-1]
        pairs = [(_key(key), value) for key, value in zip(flat[::2], flat[1::2], strict=True)]
        if isinstance(target, dict):
            target.update(pairs)
        elif isinstance(target, Record):
            target.pairs.extend(pairs)
        else:
            raise BadPickleError(f"keys for a {type(target).__name__}, which takes none")

    def make_dict(self, _: object) -> None:
        flat = self.pop_mark()
        self.stack.append({})
        self.set_items(flat)

    def persistent(self, reference: object) -> None:
        if isinstance(reference, tuple) and len(reference) > 1 and reference[0] == "module":
            self.stack.append(reference[1])  # before torch 1.6: a module's class, then its source code
            return
        made = Persistent(reference)
        self.made.persistents.append(made)
        self.stack.append(made)

    def make_set(self, kind: str, items: list[Any]) -> None:
        self.record(Name("builtins", kind), (items,), called=True)

    def tuple_of(self, count: int) -> None:
        if len(self.stack) < count:
            raise BadPickleError("a tuple of more than there is")
        self.stack[-count:] = [tuple(self.stack[-count:])]


def _key(key: object) -> object:
    """Let through what can be hashed at once: no nest of tuples, no integers made to collide."""
    if isinstance(key, tuple):
        if any(isinstance(part, tuple) for part in key):
            raise BadPickleError("a dictionary key of nested tuples")
        return tuple(_key(part) for part in key)
    if isinstance(key, int) and abs(key) > _LARGEST_INT_KEY:
        raise BadPickleError("an integer of too many digits as a dictionary key")
    hash(key)
    return key


_RECONSTRUCTOR = Name("copyreg", "_reconstructor")
_NEWOBJ = Name("copyreg", "__newobj__")
_CONSTANTS = frozenset(
    [
        "INT",
        "BININT",
        "BININT1",
        "BININT2",
        "LONG",
        "LONG1",
        "LONG4",
        "STRING",
        "BINSTRING",
        "SHORT_BINSTRING",
        "UNICODE",
        "SHORT_BINUNICODE",
        "BINUNICODE",
        "BINUNICODE8",
        "BINBYTES",
        "SHORT_BINBYTES",
        "BINBYTES8",
        "BYTEARRAY8",
        "FLOAT",
        "BINFLOAT",
    ]
)
_ACTIONS: dict[str, Callable[[_Machine, Any], object]] = {
    "NONE": lambda m, _: m.stack.append(None),
    "NEWTRUE": lambda m, _: m.stack.append(True),
    "NEWFALSE": lambda m, _: m.stack.append(False),
    "EMPTY_LIST": lambda m, _: m.stack.append([]),
    "EMPTY_DICT": lambda m, _: m.stack.append({}),
    "EMPTY_TUPLE": lambda m, _: m.stack.append(()),
    "EMPTY_SET": lambda m, _: m.make_set("set", []),
    "FROZENSET": lambda m, _: m.make_set("frozenset", m.pop_mark()),
    "ADDITEMS": lambda m, _: m.extend(m.pop_mark()),
    "LIST": lambda m, _: m.push(m.pop_mark()),
    "DICT": _Machine.make_dict,
    "TUPLE": lambda m, _: m.push(tuple(m.pop_mark())),
    "TUPLE1": lambda m, _: m.tuple_of(1),
    "TUPLE2": lambda m, _: m.tuple_of(2),
    "TUPLE3": lambda m, _: m.tuple_of(3),
    "APPEND": lambda m, _: m.extend([m.stack.pop()]),
    "APPENDS": lambda m, _: m.extend(m.pop_mark()),
    "SETITEM": lambda m, _: m.set_items([*reversed((m.stack.pop(), m.stack.pop()))]),
    "SETITEMS": lambda m, _: m.set_items(m.pop_mark()),
    "MARK": _Machine.mark,
    "POP": _Machine.pop,
    "POP_MARK": lambda m, _: m.pop_mark(),
    "DUP": lambda m, _: m.stack.append(m.stack[-1]),
    "PUT": _Machine.put,
    "BINPUT": _Machine.put,
    "LONG_BINPUT": _Machine.put,
    "MEMOIZE": _Machine.put,
    "GET": lambda m, at: m.stack.append(m.memo[at]),
    "BINGET": lambda m, at: m.stack.append(m.memo[at]),
    "LONG_BINGET": lambda m, at: m.stack.append(m.memo[at]),
    "GLOBAL": lambda m, both: m.name(*both.split(" ", 1)),
    "STACK_GLOBAL": _Machine.stack_global,
    "EXT1": lambda m, code: m.name("copyreg", f"extension {code}"),
    "EXT2": lambda m, code: m.name("copyreg", f"extension {code}"),
    "EXT4": lambda m, code: m.name("copyreg", f"extension {code}"),
    "REDUCE": _Machine.reduce,
    "NEWOBJ": _Machine.newobj,
    "NEWOBJ_EX": _Machine.newobj_ex,
    "INST": _Machine.inst,
    "OBJ": _Machine.obj,
    "BUILD": _Machine.build,
    "PERSID": lambda m, reference: m.persistent(reference),
    "BINPERSID": lambda m, _: m.persistent(m.stack.pop()),
    "PROTO": lambda m, _: None,
    "FRAME": lambda m, _: None,
    "STOP": lambda m, _: None,
}
