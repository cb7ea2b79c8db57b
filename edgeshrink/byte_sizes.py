"""Sizes in bytes as people write them."""

from __future__ import annotations

__all__ = ["bytes_text"]

_UNITS = ("B", "kB", "MB", "GB")


def bytes_text(number: float) -> str:
    """Bytes in the largest decimal unit that leaves at least 1, three significant digits: 161 kB."""
    for unit in _UNITS[:-1]:
        if number < 999.5:
            return f"{number:.3g} {unit}"
        number /= 1000
    return f"{number:.3g} {_UNITS[-1]}"
