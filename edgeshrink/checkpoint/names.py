"""Prefixes that wrappers leave before every name."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["strip_prefix", "strip_prefixes"]

_PREFIXES = ("module.", "_orig_mod.")  # torch.nn.DataParallel, torch.compile
_UNPREFIXED = ("tracker_string",)


def strip_prefixes(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Take off a wrapper's prefix where every name has it."""
    for prefix in (*_PREFIXES, *_PREFIXES):
        names = [name for name in tensors if name not in _UNPREFIXED]
        if names and all(name.startswith(prefix) for name in names):
            tensors = {name.removeprefix(prefix): tensor for name, tensor in tensors.items()}
    return tensors


def strip_prefix(name: str) -> str:
    """Take a wrapper's prefix off one name."""
    for prefix in (*_PREFIXES, *_PREFIXES):
        name = name.removeprefix(prefix)
    return name
