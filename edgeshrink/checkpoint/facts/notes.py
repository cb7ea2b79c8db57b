"""What baking will do with a layer as far as its tensors tell, and why not more: one short sentence."""

from __future__ import annotations

from collections.abc import Iterator

from edgeshrink.checkpoint.facts.kinds import UNITS, is_recurrent
from edgeshrink.checkpoint.facts.zeros import Zeros

__all__ = ["note"]

_WORTH_TELLING = 0.005  # the share that rounds to 1 %


def note(kind: str, zeros: Zeros, zero_share: float, dead_dendrites: int, threshold: float | None) -> str:
    """Say what becomes of a layer; empty where it stays as it is.

    Args:
        kind: The layer's kind.
        zeros: What is zero in its weight.
        zero_share: Share of all its parameters that is zero.
        dead_dendrites: How many of its dendrites nothing reads.
        threshold: Of its learnable mask, None without one.
    """
    return "; ".join(_remarks(kind, zeros, zero_share, dead_dendrites, threshold))


def _remarks(
    kind: str, zeros: Zeros, zero_share: float, dead_dendrites: int, threshold: float | None
) -> Iterator[str]:
    unit = next((UNITS[part] for part in kind.split(" + ") if part in UNITS), "unit")
    if threshold is not None:
        yield f"its learnable mask keeps filters above {threshold:g}"
    if zeros.units:
        yield f"{_counted(zeros.units, f'zero {unit}')} may leave"
    if dead_dendrites:
        yield f"{_counted(dead_dendrites, 'dead dendrite')} {'goes' if dead_dendrites == 1 else 'go'}"
    if zeros.inputs:
        yield f"nothing reads {_counted(zeros.inputs, 'input')}: what makes them may leave"
    if is_recurrent(kind) and zero_share >= _WORTH_TELLING:
        yield f"{zero_share:.0%} of it are zeros: --arch shows whether units of a recurrent layer may leave"
    if zeros.groups > 1:
        yield f"{zeros.groups} hidden groups stay one layer: they are not yet made grouped"
    elif zeros.scattered >= _WORTH_TELLING:
        yield f"{zeros.scattered:.0%} of its weights are zeros that make no whole {unit} and stay"


def _counted(count: int, name: str) -> str:
    return f"{count} {name}{'' if count == 1 else 's'}"
