"""Masks of torch.nn.utils.prune: X_orig and X_mask beside each other mean X = X_orig * X_mask."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgeshrink.errors import InputError

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["apply_mask", "bake_masks"]


def bake_masks(tensors: dict[str, Tensor]) -> tuple[dict[str, Tensor], dict[str, int]]:
    """Replace every pair X_orig, X_mask by X, whatever the parameter's name.

    Returns:
        The tensors, and parameter name -> number of elements masked out.

    Raises:
        InputError: A mask has not the shape of its parameter.
    """
    baked: dict[str, Tensor] = {}
    masked: dict[str, int] = {}
    for name, tensor in tensors.items():
        stem = name.removesuffix("_orig")
        mask = tensors.get(f"{stem}_mask") if stem != name else None
        if mask is not None:
            baked[stem], masked[stem] = apply_mask(stem, tensor, mask)
        elif not (name.endswith("_mask") and f"{name.removesuffix('_mask')}_orig" in tensors):
            baked[name] = tensor
    return baked, masked


def apply_mask(name: str, tensor: Tensor, mask: Tensor) -> tuple[Tensor, int]:
    """Multiply a parameter by its mask; returns it and the number of elements masked out."""
    if tensor.shape != mask.shape:
        raise InputError(
            f"the mask of {name} has shape {tuple(mask.shape)}, the parameter {tuple(tensor.shape)}",
            "A mask has one element for each of its parameter's: save masks and weights of the same network.",
        )
    return tensor * mask.to(tensor.dtype), int(mask.numel() - mask.count_nonzero())
