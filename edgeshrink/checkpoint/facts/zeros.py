"""What is zero in a layer, dendrites and learnable masks included, and whether it makes whole units."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from edgeshrink.checkpoint.facts.hidden_groups import count_groups
from edgeshrink.checkpoint.facts.kinds import kept_filters

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

__all__ = ["Zeros", "count_zeros", "masked_filters_out", "zeros_in"]


@dataclass(frozen=True)
class Zeros:
    """What is zero in a layer's weight.

    Attributes:
        units: Output units that are all zero in the soma and in every living dendrite.
        inputs: Inputs that none of them reads.
        scattered: Share of the soma's weight that is zero and in none of those units and inputs.
        groups: How many parts with inputs and outputs of their own the soma's weight has.
    """

    units: int = 0
    inputs: int = 0
    scattered: float = 0.0
    groups: int = 1


def zeros_in(tensor: Tensor) -> int:
    """Count the elements that are zero."""
    return 0 if tensor.is_meta else tensor.numel() - int(_dense(tensor).count_nonzero())


def masked_filters_out(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Weight and bias as a learnable mask leaves them, by name; empty where there is no such mask."""
    kept = kept_filters(tensors)
    if kept is None:
        return {}
    weight = tensors["weight"]
    left = {"weight": _dense(weight) * kept.view(-1, *[1] * (weight.dim() - 1))}
    if "bias" in tensors and tensors["bias"].shape == kept.shape:
        left["bias"] = _dense(tensors["bias"]) * kept
    return left


def count_zeros(weight: Tensor, dendrites: Sequence[Tensor]) -> Zeros:
    """Look at the zeros of a weight of shape (units, inputs, *kernel), and of its living dendrites'."""
    zeros = zeros_in(weight)
    if not zeros:
        return Zeros()
    soma = _linked(weight)
    linked = soma
    for branch in dendrites:
        if branch.shape == weight.shape:
            linked = linked | _linked(branch)
    units, inputs = int(linked.any(1).sum()), int(linked.any(0).sum())
    outside = weight.numel() - units * inputs * (weight.numel() // soma.size)
    return Zeros(
        units=len(weight) - units,
        inputs=weight.shape[1] - inputs,
        scattered=(zeros - outside) / weight.numel(),
        groups=count_groups(soma),
    )


def _linked(weight: Tensor) -> NDArray[np.bool_]:
    """(units, inputs): which unit reads which input."""
    linked = _dense(weight).ne(0)
    array: NDArray[np.bool_] = (linked.flatten(2).any(2) if linked.dim() > 2 else linked).numpy()
    return array


def _dense(tensor: Tensor) -> Tensor:
    """The numbers of a tensor, whatever form they are stored in."""
    import torch

    if tensor.is_quantized:
        return tensor.dequantize()
    return tensor if tensor.layout == torch.strided else tensor.to_dense()
