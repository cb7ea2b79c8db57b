"""What a pickle wants to import, and the error that refuses it. Nothing is ever executed."""

from __future__ import annotations

from pathlib import Path

from edgeshrink.checkpoint.listing import first_of
from edgeshrink.checkpoint.pickles.interpreter import interpret
from edgeshrink.errors import InputError

__all__ = ["names_imported", "refusal"]

_SHOWN = 12


def names_imported(data: bytes, *, partly: bool = False) -> list[str]:
    """List the dotted names that a pickle imports, in order, each once.

    ``partly`` takes those up to where the pickle is damaged.

    Raises:
        BadPickleError: The bytes are no complete pickle.
    """
    pickle = interpret(data)
    return [name.dotted for name in (pickle if partly else pickle.whole()).names]


def refusal(path: Path, names: list[str]) -> InputError:
    """Refuse a pickle of more than tensors and layers, naming what it would import."""
    return InputError(
        f"{path} is a pickled object that only running code could read. It imports {first_of(names, _SHOWN)}",
        "Nothing of it was run. Where it was trained, save torch.save(net.state_dict(), 'weights.pt') "
        "and give that file with --arch FILE.py:FACTORY; or, if whoever made the file may run code on this "
        "machine, add --trust-pickle.",
    )
