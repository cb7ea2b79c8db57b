"""Numbers of variable length in protobuf's wire format, for files looked at before they are parsed."""

from __future__ import annotations

import mmap

__all__ = ["read_varint"]

_MOST_BITS = 70  # ten bytes of seven bits hold any number protobuf has


def read_varint(data: mmap.mmap | bytes, at: int) -> tuple[int | None, int]:
    """Read the number at a place, 7 bits a byte, the lowest first; None where it does not end.

    Returns:
        The number, and the place behind it: the end of the data where there is no number.

    Source: https://protobuf.dev/programming-guides/encoding/#varints
    """
    value = shift = 0
    while at < len(data) and shift < _MOST_BITS:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at += 1
        if byte < 0x80:
            return value, at
        shift += 7
    return None, len(data)
