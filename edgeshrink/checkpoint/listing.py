"""Names in a message: the first few, and how many more there are."""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["first_of"]


def first_of(names: Iterable[str], most: int, separator: str = ", ") -> str:
    """List names: "a, b and 3 more" where ``most`` is 2."""
    names = list(names)
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return separator.join(names[:most]) + more
