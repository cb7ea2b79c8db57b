"""Figures as people write them."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["count_text", "counted", "kernel_text", "ratio_text", "share_text"]


def count_text(number: float) -> str:
    """A whole number with thousands separated: 41,076."""
    return f"{number:,.0f}"


def counted(count: int, plural: str) -> str:
    """`2 batch norms`, `1 batch norm`, from what is counted in the plural (`batch_norms`)."""
    words = plural.replace("_", " ")
    if plural[:1].isupper():  # the name of a rule
        return f"{count} by {plural}"
    if count == 1:
        words = words[:-3] + "y" if words.endswith("ies") else words.removesuffix("s")
    return f"{count} {words}"


def ratio_text(before: float, after: float) -> str:
    """How many times smaller: 3.42×, or a dash where there is nothing to divide by."""
    return f"{before / after:.2f}×" if after else "–"


def share_text(part: float, whole: float) -> str:
    """A percentage: 61 %."""
    return f"{part / whole:.0%}" if whole else "–"


def kernel_text(kernel: Sequence[int]) -> str:
    """A spatial kernel, or any shape: 5×5."""
    return "×".join(str(size) for size in kernel)
