"""What we know about each device: one TOML a device in profiles/, every fact with its source.

A profile holds a name, aliases, a description and a table `[facts]`; a fact is a bare value or
`{ value = ..., source = "..." }`. Only `runtime`, `opset` and `ir_version` must be there: what is not
known is left out and reads as None. A user's own board is a TOML of the same form, given by its path.
"""

from __future__ import annotations

import difflib
import os
import re
import sys
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

from edgeshrink.errors import InputError
from edgeshrink.machine import board_names, this_machine

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib  # type: ignore[import-not-found, unused-ignore]

__all__ = ["PRECISIONS", "Device", "Precision", "device", "devices", "read_device", "this_machine"]

RUNTIMES = ("onnxruntime", "tensorrt")

Precision = Literal["fp32", "fp16", "int8"]

PRECISIONS: tuple[Precision, ...] = ("fp32", "fp16", "int8")
"""What an engine can be asked to compute in, widest first."""


@dataclass(frozen=True)
class Device:
    """One device: what its parser accepts and what its hardware is; None where it is not known.

    Attributes:
        opset: Highest ONNX opset its parser is tested with.
        ir_version: Highest ONNX IR version that goes with that opset.
        tensorrt: TensorRT's version, which says what its parser takes; None where the runtime is another.
        memory_bytes: Memory that CPU and GPU see, in bytes.
        fp32_flops: Dense peak at the highest clock, in operations per second; `fp16_flops` likewise.
        board_models: Texts that name the board in /proc/device-tree/model.
        sources: Where each fact comes from, by the fact's name.
    """

    name: str
    aliases: tuple[str, ...]
    description: str
    runtime: str
    opset: int
    ir_version: int
    tensorrt: str | None = None
    jetpack: str | None = None
    l4t: str | None = None
    cuda: str | None = None
    cudnn: str | None = None
    python: str | None = None
    compute_capability: str | None = None
    gpu_cores: int | None = None
    gpu_clock_hz: int | None = None
    l2_cache_bytes: int | None = None
    memory_bytes: int | None = None
    memory_bandwidth_bytes_per_s: int | None = None
    fp32_flops: int | None = None
    fp16_flops: int | None = None
    fast_fp16: bool | None = None
    fast_int8: bool | None = None
    dla_cores: int | None = None
    board_models: tuple[str, ...] = ()
    sources: Mapping[str, str] = field(default_factory=dict, hash=False)

    def is_fast_in(self, precision: Precision) -> bool | None:
        """Whether the chip computes faster in `precision` than in FP32; None where that is not known."""
        return {"fp32": True, "fp16": self.fast_fp16, "int8": self.fast_int8}[precision]


_HEAD = {"name", "aliases", "description", "board_models"}
_FACTS = {f.name: f for f in fields(Device) if f.name not in _HEAD | {"sources"}}
_KINDS: Mapping[str, type] = MappingProxyType({"str": str, "int": int, "bool": bool})
_FORM = "See profiles/jetson-nano.toml of edgeshrink for the form."


def device(name: str) -> Device:
    """The device called `name`: a profile's name or alias, a TOML's path, or `jetson` for the board this is.

    Raises:
        InputError: Nothing is called so (the message says what is close), or the TOML is wrong.
    """
    if name.lower() == "jetson":
        return _this_jetson()
    known = {alias: found for found in devices() for alias in (found.name, *found.aliases)}
    if name.lower() in known:
        return known[name.lower()]
    if name.endswith(".toml") or os.sep in name:
        return read_device(Path(name))
    close = difflib.get_close_matches(name.lower(), [*known, "jetson"], n=1, cutoff=0.5)
    guess = f"Did you mean {close[0]!r}? " if close else ""
    names = ", ".join(found.name for found in devices())
    raise InputError(
        f"There is no device {name!r}.", f"{guess}Known: {names}; or give the path of a .toml of your own."
    )


def devices() -> list[Device]:
    """Every shipped device, by name."""
    return list(_shipped())


@cache
def _shipped() -> tuple[Device, ...]:
    package = Path(__file__).parent
    for folder in (package / "profiles", package.parent / "profiles"):
        if found := sorted(folder.glob("*.toml"), key=lambda path: path.stem):
            return tuple(read_device(path) for path in found)
    raise InputError(f"No device profiles in {package}.", "Install edgeshrink again.")


def _this_jetson() -> Device:
    names = board_names()
    if not names:
        raise InputError(
            "This machine is no Jetson, so --device jetson means nothing here.",
            "Name the board, for example --device jetson-nano; `edgeshrink devices` lists them.",
        )
    fitting = [
        (len(text), found)
        for found in devices()
        for text in found.board_models
        if any(text.lower() in name.lower() for name in names)
    ]
    if fitting:  # the longest text is the most exact: a Nano 2GB is a Nano, too
        return max(fitting, key=lambda fit: fit[0])[1]
    raise InputError(
        f"This Jetson calls itself {names[0]!r}, and no profile describes it.",
        f"Write one and give its path with --device. {_FORM}",
    )


def read_device(path: Path) -> Device:
    """Read one profile.

    Raises:
        InputError: The file cannot be read, is no TOML, or breaks the schema; every fault is listed at once.
    """
    try:
        text = path.read_text(encoding="utf-8")
        document = tomllib.loads(text)
    except OSError as error:
        raise InputError(f"The device profile {path} cannot be read: {error.strerror}.", _FORM) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"The device profile {path} is no TOML: {error}.", _FORM) from error
    faults: list[str] = []
    head = _read_head(document, faults)
    facts, sources = _read_facts(document.get("facts", {}), faults)
    if faults:
        lines = "\n".join(f"- {fault}{_where(fault, text)}" for fault in faults)
        raise InputError(f"The device profile {path} is not valid:\n{lines}", _FORM)
    return Device(**head, **facts, sources=MappingProxyType(sources))


def _where(fault: str, text: str) -> str:
    """` (line 7)`, where the key that a fault begins with, `facts.opset`, stands in the file's text."""
    *table, key = fault.split("`")[1].split(".")
    head = re.split(r"(?m)^(?=\s*\[\s*facts\s*\])", text, maxsplit=1)[0] if table else ""
    found = re.search(rf"""(?m)^[ \t]*["']?{re.escape(key)}["']?[ \t]*=""", text[len(head) :])
    line = text.count("\n", 0, len(head) + found.start()) + 1 if found else None
    return f" (line {line})" if line else ""


def _read_head(document: Mapping[str, Any], faults: list[str]) -> dict[str, Any]:
    for key in (key for key in document if key not in {*_HEAD, "facts"}):
        misplaced = key in _FACTS
        faults.append(f"`{key}` belongs under [facts]" if misplaced else _unknown(key, {*_HEAD, "facts"}))
    for key in ("name", "description"):
        if not isinstance(document.get(key), str) or not document[key]:
            faults.append(f"`{key}` must be a text")
    lists: dict[str, tuple[str, ...]] = {}
    for key in ("aliases", "board_models"):
        value = document.get(key, [])
        if isinstance(value, list) and all(isinstance(item, str) for item in value):
            lists[key] = tuple(value)
        else:
            faults.append(f"`{key}` must be a list of texts")
    return {"name": document.get("name", ""), "description": document.get("description", ""), **lists}


def _read_facts(table: object, faults: list[str]) -> tuple[dict[str, Any], dict[str, str]]:
    facts: dict[str, Any] = {}
    sources: dict[str, str] = {}
    if not isinstance(table, dict):
        faults.append("`facts` must be a table: [facts]")
        return facts, sources
    for key, fact in table.items():
        value, source = (fact.get("value"), fact.get("source")) if isinstance(fact, dict) else (fact, None)
        if key not in _FACTS:
            faults.append(_unknown(key, _FACTS))
            continue
        facts[key] = value
        faults.extend(_faults_of(key, value))
        if isinstance(source, str):
            sources[key] = source
    required = {key for key, spec in _FACTS.items() if spec.default is MISSING}
    faults.extend(f"`facts.{key}` is missing" for key in sorted(required - facts.keys()))
    return facts, sources


def _faults_of(key: str, value: object) -> list[str]:
    kind = _KINDS[str(_FACTS[key].type).split(" ")[0]]
    if type(value) is not kind:
        words = {str: "a text", int: "a whole number", bool: "true or false"}
        return [f"`facts.{key}` must be {words[kind]}, not {value!r}"]
    if isinstance(value, int) and value < 0:
        return [f"`facts.{key}` must not be negative, got {value}"]
    if key == "runtime" and value not in RUNTIMES:
        return [f"`facts.runtime` must be one of {', '.join(RUNTIMES)}, not {value!r}"]
    if key == "tensorrt" and not re.fullmatch(r"\d+(\.\d+)*", str(value)):
        return [f'`facts.tensorrt` must be a version such as "8.2.1", not {value!r}']
    return []


def _unknown(key: str, known: object) -> str:
    close = difflib.get_close_matches(key, list(known), n=1)  # type: ignore[call-overload]
    return f"`{key}` is not known" + (f"; did you mean `{close[0]}`?" if close else "")
