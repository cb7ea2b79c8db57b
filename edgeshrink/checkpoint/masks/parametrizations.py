"""What torch.nn.utils.parametrize leaves in a file: ``P.parametrizations.<param>.original`` and its friends.

A mask and nothing else is a product that can be baked. Where nothing but ``original`` is left the
parametrization stored nothing: torch.ao.pruning's never stores its mask. All others (weight norm, spectral
norm, several in a row) are the network's own affair and keep their names.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from edgeshrink.checkpoint.listing import first_of
from edgeshrink.checkpoint.masks.masking import require_mask

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Found", "find_parametrizations"]

_PART = ".parametrizations."
_NAMED = 3


@dataclass(frozen=True)
class Found:
    """A file's parametrizations.

    Attributes:
        masked: Parameter -> the names of its original and of its mask, whose product it is.
        unmasked: Parameter -> the name of its original, all that the file holds of it.
        warnings: What follows for the user, one sentence each.
    """

    masked: dict[str, tuple[str, str]] = field(default_factory=dict)
    unmasked: dict[str, str] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


def find_parametrizations(tensors: Mapping[str, Tensor]) -> Found:
    """Sort a file's parametrizations into masks, into what lacks its mask, and into what stays as it is."""
    members: dict[str, dict[str, str]] = {}
    for name in tensors:
        if split := _split(name):
            members.setdefault(split[0], {})[split[1]] = name
    masked: dict[str, tuple[str, str]] = {}
    unmasked: dict[str, str] = {}
    odd: dict[str, str] = {}
    for parameter, parts in members.items():
        if parameter in tensors:
            odd[parameter] = "stands in the file without its parametrization, too"
        elif parts.keys() == {"original"}:
            unmasked[parameter] = parts["original"]
        elif any(part.endswith(".mask") for part in parts):
            if why := _why_no_product(parts, tensors):
                odd[parameter] = why
            else:
                masked[parameter] = parts["original"], parts["0.mask"]
    return Found(masked, unmasked, tuple(_warnings(unmasked, odd)))


def _split(name: str) -> tuple[str, str] | None:
    """``fc.parametrizations.weight.0.mask`` -> ("fc.weight", "0.mask"); None for other names."""
    layer, part, rest = f".{name}".partition(_PART)
    parameter, dot, inner = rest.partition(".")
    return (f"{layer}.{parameter}"[1:], inner) if part and dot else None


def _why_no_product(parts: Mapping[str, str], tensors: Mapping[str, Tensor]) -> str:
    """Say why original * mask is not what these tensors mean, as far as can be told; empty if it is."""
    if parts.keys() != {"original", "0.mask"}:
        return "has more than a mask, or several"
    mask = tensors[parts["0.mask"]]
    require_mask(parts["original"], mask)
    if mask.shape != tensors[parts["original"]].shape:
        return f"has a mask of another shape, {tuple(mask.shape)}"
    return "" if bool(((mask == 0) | (mask == 1)).all()) else "has a mask with values other than 0 and 1"


def _warnings(unmasked: Mapping[str, str], odd: Mapping[str, str]) -> Iterable[str]:
    if unmasked:
        yield (
            f"{first_of(unmasked, _NAMED)}: "
            "the file has the original weights of a parametrization and not its mask "
            "(torch.ao.pruning saves none), so they are loaded dense and no mask can be baked; call the "
            "sparsifier's squash_mask() before saving"
        )
    for why in dict.fromkeys(odd.values()):
        named = first_of((name for name in odd if odd[name] == why), _NAMED)
        yield (
            f"{named}: the parametrization {why}, so it is not "
            "baked; only a network that has the same parametrization can take it"
        )
