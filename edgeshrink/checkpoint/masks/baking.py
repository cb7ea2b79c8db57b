"""Masks beside the parameters they mask: of torch.nn.utils.prune, and of parametrizations.

X_orig and X_mask beside each other mean X = X_orig * X_mask; ``parametrizations.X.original`` and
``parametrizations.X.0.mask`` mean X = original * mask. Learnable masks (``P.weight``, ``P.mask``,
``P.threshold``) stay: the module computes them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgeshrink.checkpoint.masks.masking import apply_mask
from edgeshrink.checkpoint.masks.parametrizations import Found, find_parametrizations

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["bake_masks"]


def bake_masks(tensors: dict[str, Tensor]) -> tuple[dict[str, Tensor], dict[str, int], Found]:
    """Replace every parameter and its mask by their product, whatever the parameter's name.

    Returns:
        The tensors, parameter name -> number of elements masked out, and what was found of parametrizations.

    Raises:
        InputError: A mask has not the shape of its parameter, or is complex, sparse or quantized.
    """
    found = find_parametrizations(tensors)
    masks = {f"{stem}_orig": f"{stem}_mask" for stem in _pruned(tensors)}
    plain = {original: original.removesuffix("_orig") for original in masks}
    for parameter, (original, mask) in found.masked.items():
        plain[original], masks[original] = parameter, mask
    plain |= {original: parameter for parameter, original in found.unmasked.items()}
    gone = set(masks.values())
    baked: dict[str, Tensor] = {}
    masked: dict[str, int] = {}
    for name, tensor in tensors.items():
        parameter = plain.get(name, name)
        if name in masks:
            baked[parameter], masked[parameter] = apply_mask(parameter, tensor, tensors[masks[name]])
        elif name not in gone:
            baked[parameter] = tensor
    return baked, masked, found


def _pruned(tensors: dict[str, Tensor]) -> list[str]:
    """Every X that stands in the file as X_orig and X_mask; beside an X itself they mean something else."""
    stems = (name.removesuffix("_orig") for name in tensors if name.endswith("_orig"))
    return [stem for stem in stems if f"{stem}_mask" in tensors and stem not in tensors]
