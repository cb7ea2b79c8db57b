"""What each version of TensorRT's ONNX parser takes: one TOML a version line in profiles/parsers/.

A table names every operator the parser is known to have an importer for, with its types, its restrictions
in our own words and its silent traps; for one that is not named the parser looks for a plugin, and fails.
Entries that came or went within the line say `since` (first version that has it) or `before` (first version
that has it no more). The tables rest on the parser's published documentation and sources, not on runs of it.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

from edgeshrink.devices import Device
from edgeshrink.errors import InputError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib  # type: ignore[import-not-found, unused-ignore]

__all__ = ["Operator", "Parser", "Trap", "parser_for", "parser_of_version", "parsers"]


@dataclass(frozen=True)
class Trap:
    """Something the parser takes without a word and then computes wrongly, or dies of.

    Attributes:
        id: Short name in kebab-case, the same in every table that has the trap.
        text: What happens, in one sentence.
        source: Where this is known from.
    """

    id: str
    text: str
    source: str


@dataclass(frozen=True)
class Operator:
    """One operator as one parser takes it.

    Attributes:
        op_type: Its name in ONNX's own domain.
        types: Element types its data may have, by ONNX's names (FLOAT, FLOAT16, INT32, ...); empty where the
            parser's documentation names none.
        refused: Element types that its importer refuses; of others not in `types` nothing certain is known.
        restrictions: What the parser asks of the node, a sentence each.
        constant_inputs: Indices of inputs that, where they are given, must be initializers or constants.
        constant_of_type: The same, of nodes whose data has a certain element type.
        nonnegative: Indices of inputs whose constants must hold no negative number.
        required_inputs: Indices of inputs that must be given, though ONNX lets them be left out.
        values: Allowed values of an attribute, by its name, of a list for each of its elements; attributes
            that are not named are free.
        ranks: Ranks the first input may have; empty where any goes.
        symmetric_pads_ranks: Ranks of the first input at which `pads` must be alike before and after.
        traps: What goes wrong without an error.
        source: Where the entry is known from, where that is not the table's own source.
    """

    op_type: str
    types: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()
    restrictions: tuple[str, ...] = ()
    constant_inputs: tuple[int, ...] = ()
    constant_of_type: Mapping[str, tuple[int, ...]] = field(default_factory=dict, hash=False)
    nonnegative: tuple[int, ...] = ()
    required_inputs: tuple[int, ...] = ()
    values: Mapping[str, tuple[str | int, ...]] = field(default_factory=dict, hash=False)
    ranks: tuple[int, ...] = ()
    symmetric_pads_ranks: tuple[int, ...] = ()
    traps: tuple[Trap, ...] = ()
    source: str | None = None


@dataclass(frozen=True)
class Parser:
    """One version of the parser.

    Attributes:
        name: The table's name, for example tensorrt-8.2.
        version: The version it was asked for, which decides what came or went within the line.
        opset: Highest opset the parser is documented for. It takes higher ones too, and fails op by op.
        network_types: Element types that tensors of a network may have, by ONNX's names.
        narrowed: Types it converts on reading, and what they become; all it says is one line in its log.
        operators: Every operator it has an importer for.
        source: Where the table is known from.
    """

    name: str
    version: str
    opset: int
    network_types: tuple[str, ...]
    narrowed: Mapping[str, str] = field(hash=False)
    operators: Mapping[str, Operator] = field(hash=False)
    source: str

    def supports(self, op_type: str) -> bool:
        """Whether the parser has an importer for `op_type` of ONNX's own domain."""
        return op_type in self.operators

    def restrictions(self, op_type: str) -> tuple[str, ...]:
        """What the parser asks of such a node, a sentence each; empty where nothing is documented."""
        found = self.operators.get(op_type)
        return found.restrictions if found else ()

    def types(self, op_type: str) -> tuple[str, ...]:
        """Element types its data may have, by ONNX's names; the network's where its own are not documented.

        Empty for an operator that the parser has no importer for.
        """
        found = self.operators.get(op_type)
        return (found.types or self.network_types) if found else ()

    def traps(self, op_type: str) -> tuple[Trap, ...]:
        """What such a node can suffer without an error."""
        found = self.operators.get(op_type)
        return found.traps if found else ()


def parser_for(device: Device) -> Parser | None:
    """The parser of `device`; None where its runtime is not TensorRT, or its version has no table."""
    if device.runtime != "tensorrt" or device.tensorrt is None:
        return None
    return parser_of_version(device.tensorrt)


@cache
def parser_of_version(version: str) -> Parser | None:
    """The parser of a TensorRT version such as 8.2 or 10.3.0; None where no table is about it."""
    number = _number(version)
    for document in _tables():
        if any(number[: len(line)] == line for line in map(_number, document["lines"])):
            return _parser(document, version)
    return None


def parsers() -> list[Parser]:
    """One parser a line that a table is about, oldest first."""
    lines = sorted((line for document in _tables() for line in document["lines"]), key=_number)
    return [found for line in lines if (found := parser_of_version(line))]


@cache
def _tables() -> tuple[dict[str, Any], ...]:
    package = Path(__file__).parent
    for folder in (package / "profiles" / "parsers", package.parent / "profiles" / "parsers"):
        if found := sorted(folder.glob("*.toml")):
            return tuple(tomllib.loads(path.read_text(encoding="utf-8")) for path in found)
    raise InputError(f"No parser tables in {package}.", "Install edgeshrink again.")


def _parser(document: Mapping[str, Any], version: str) -> Parser:
    operators = {
        op_type: _operator(op_type, entry, version)
        for op_type, entry in sorted(document["operators"].items())
        if _holds(entry, version)
    }
    return Parser(
        name=document["name"],
        version=version,
        opset=_opset(document["opset"], version),
        network_types=tuple(document["types"]),
        narrowed=MappingProxyType(document["narrowed"]),
        operators=MappingProxyType(operators),
        source=document["source"],
    )


def _opset(opsets: Mapping[str, int], version: str) -> int:
    """The opset of the last version in the table that is not after `version`."""
    reached = [key for key in opsets if _number(key) <= _number(version)] or [min(opsets, key=_number)]
    return opsets[max(reached, key=_number)]


def _operator(op_type: str, entry: Mapping[str, Any], version: str) -> Operator:
    return Operator(
        op_type,
        types=tuple(entry.get("types", ())),
        refused=tuple(entry.get("refused", ())),
        restrictions=tuple(_text(item) for item in _holding(entry.get("restrictions", ()), version)),
        constant_inputs=tuple(entry.get("constant_inputs", ())),
        constant_of_type=_tuples(entry.get("constant_of_type", {})),
        nonnegative=tuple(entry.get("nonnegative", ())),
        required_inputs=tuple(entry.get("required_inputs", ())),
        values=_tuples(entry.get("values", {})),
        ranks=tuple(entry.get("ranks", ())),
        symmetric_pads_ranks=tuple(entry.get("symmetric_pads_ranks", ())),
        traps=tuple(
            Trap(trap["id"], trap["text"], trap["source"])
            for trap in _holding(entry.get("traps", ()), version)
        ),
        source=entry.get("source"),
    )


def _tuples(lists: Mapping[str, Iterable[Any]]) -> Mapping[str, tuple[Any, ...]]:
    return MappingProxyType({key: tuple(value) for key, value in lists.items()})


def _holding(entries: Iterable[Any], version: str) -> list[Any]:
    return [entry for entry in entries if isinstance(entry, str) or _holds(entry, version)]


def _holds(entry: Mapping[str, Any], version: str) -> bool:
    number = _number(version)
    since, before = entry.get("since"), entry.get("before")
    return (since is None or number >= _number(since)) and (before is None or number < _number(before))


def _text(entry: str | Mapping[str, str]) -> str:
    return entry if isinstance(entry, str) else entry["text"]


def _number(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))
