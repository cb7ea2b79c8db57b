"""A parameter times its mask, and which tensors can be a mask at all."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from edgeshrink.errors import InputError

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["apply_mask", "mask_file_warning", "oddity", "require_mask"]

_PACKED = re.compile(r"_x2$|bits\d")  # several numbers an element, which torch only stores


def apply_mask(name: str, tensor: Tensor, mask: Tensor) -> tuple[Tensor, int]:
    """Multiply a parameter by its mask; returns it and the number of elements masked out.

    Raises:
        InputError: The two have not the same shape, or one is no plain tensor of numbers.
    """
    require_mask(name, mask)
    if tensor.shape != mask.shape:
        raise InputError(
            f"the mask of {name} has shape {tuple(mask.shape)}, the parameter {tuple(tensor.shape)}",
            "A mask has one element for each of its parameter's: save masks and weights of the same network.",
        )
    if odd := oddity(tensor):
        raise InputError(
            f"parameter {name} has a mask and is {odd}",
            "Save it as a dense tensor of numbers, or without it.",
        )
    return tensor * mask.to(tensor.dtype), int((mask == 0).sum())


def require_mask(name: str, mask: Tensor) -> None:
    """Refuse a mask that nothing can be multiplied by element for element.

    Raises:
        InputError: It is sparse, quantized, packed, without data, or complex.
    """
    if odd := oddity(mask) or ("complex" if mask.is_complex() else ""):
        raise InputError(
            f"the mask of {name} is {odd}", "Save masks as dense tensors of 0 and 1: mask.to_dense().bool()."
        )


def oddity(tensor: Tensor) -> str:
    """Say what keeps a tensor from being computed with like any other; empty for most."""
    import torch

    if tensor.is_nested or tensor.layout != torch.strided:
        return "sparse"
    if tensor.is_quantized:
        return "quantized"
    if _PACKED.search(str(tensor.dtype)):
        return f"packed ({tensor.dtype})"
    return "without data" if tensor.is_meta else ""


def mask_file_warning(tensors: Mapping[str, Tensor]) -> str:
    """A sentence where a file read as weights holds masks, as far as its numbers tell; else nothing."""
    binary = all(bool(((tensor == 0) | (tensor == 1)).all()) for tensor in tensors.values())
    if not binary or all(tensor.dim() < 2 for tensor in tensors.values()):
        return ""
    return (
        "every number in it is 0 or 1, as in a file of masks: give that with --masks beside the checkpoint."
    )
