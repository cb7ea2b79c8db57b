"""Pickles, read as text: which names would one import? Nothing is ever executed."""

from __future__ import annotations

import io
import pickletools
from pathlib import Path

from edgeshrink.errors import InputError

__all__ = ["names_imported", "refusal"]

_STRINGS = (
    "SHORT_BINUNICODE",
    "BINUNICODE",
    "BINUNICODE8",
    "UNICODE",
    "STRING",
    "BINSTRING",
    "SHORT_BINSTRING",
)
_SHOWN = 12


def names_imported(data: bytes) -> list[str]:
    """List the dotted names that a pickle imports, in order, each once.

    Raises:
        ValueError: The bytes are no complete pickle, or number their memo beyond any use of it.
    """
    names: dict[str, None] = {}
    strings: list[str] = []
    memo: dict[int, str] = {}
    for opcode, argument, _ in pickletools.genops(io.BytesIO(data)):
        name = opcode.name
        if name in ("GLOBAL", "INST"):
            names[str(argument).replace(" ", ".", 1)] = None
        elif name == "STACK_GLOBAL":
            names[".".join(strings[-2:])] = None
        elif name.startswith("EXT"):
            names[f"copyreg extension {argument}"] = None
        elif name in _STRINGS:
            strings.append(str(argument))
        elif name == "MEMOIZE":
            memo[len(memo)] = strings[-1] if strings else ""
        elif name in ("PUT", "BINPUT", "LONG_BINPUT") and isinstance(argument, int):
            if argument > len(data):
                raise ValueError(f"memo entry {argument} in a pickle of {len(data)} bytes")
            memo[argument] = strings[-1] if strings else ""
        elif name in ("GET", "BINGET", "LONG_BINGET") and isinstance(argument, int):
            strings.append(memo.get(argument, "?"))
    return list(names)


def refusal(path: Path, names: list[str]) -> InputError:
    """Refuse a pickle of more than tensors, naming what it would import."""
    shown = ", ".join(names[:_SHOWN]) + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")
    return InputError(
        f"{path} is a pickled object, not a state_dict: reading it would run code. It imports {shown}",
        "Nothing of it was run. Where it was trained, save torch.save(net.state_dict(), 'weights.pt') "
        "and give that file with --arch.",
    )
