"""A layer's kind, its weight and its learnable mask, told by the names and dimensions of its tensors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor, nn

__all__ = ["UNITS", "is_recurrent", "kept_filters", "kind_of", "kinds_in", "weight_of"]

_KIND_BY_DIMENSIONS = {2: "linear", 3: "conv1d", 4: "conv2d", 5: "conv3d"}
_RECURRENT_BY_GATES = {1: "rnn", 3: "gru", 4: "lstm"}
_RECURRENT = (*_RECURRENT_BY_GATES.values(), "recurrent")

#: Kinds whose weight has a row for each output unit -> what a unit is called.
UNITS = {"linear": "unit"} | {
    f"{mask}conv{dims}d": "filter" for mask in ("", "masked ") for dims in (1, 2, 3)
}

# Where a weight is found; a parametrization keeps it, or what it has its direction from, under another name.
_WEIGHTS = ("weight", "parametrizations.weight.original", "parametrizations.weight.original1")


def kind_of(tensors: Mapping[str, Tensor]) -> str:
    """Tell what kind of layer has these parameters and buffers: "conv2d", "batch norm", "gru", ...

    An embedding looks like a linear layer, and a transposed convolution like a plain one: see ``kinds_in``.
    """
    if "running_mean" in tensors:
        return "batch norm"
    for name, suffix in (("weight_hh_l0", ""), ("weight_hh", " cell")):
        if name in tensors and tensors[name].dim() == 2:
            return f"{_recurrent(tensors, name)}{suffix}"
    if "in_proj_weight" in tensors:
        return "attention"
    weight = next((tensors[name] for name in _WEIGHTS if name in tensors), None)
    if weight is None:
        return "parameters"
    kind = _KIND_BY_DIMENSIONS.get(weight.dim(), "norm")
    return f"masked {kind}" if kept_filters(tensors) is not None else kind


def kinds_in(network: nn.Module) -> dict[str, str]:
    """The layers whose tensors look like another kind's, by name: embeddings and transposed convolutions."""
    from torch import nn

    told = {nn.Embedding: "embedding", nn.EmbeddingBag: "embedding bag"} | {
        cls: f"transposed conv{dims}d"
        for dims, cls in enumerate((nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d), start=1)
    }
    named = ((name, module) for name, module in network.named_modules(remove_duplicate=False))
    return {name: kind for name, module in named for cls, kind in told.items() if isinstance(module, cls)}


def is_recurrent(kind: str) -> bool:
    """Tell whether a layer, or some part of a block, is recurrent."""
    return any(part.removesuffix(" cell") in _RECURRENT for part in kind.split(" + "))


def _recurrent(tensors: Mapping[str, Tensor], name: str) -> str:
    if "weight_hr_l0" in tensors:  # its output is projected, so its rows are no multiple of its columns
        return "lstm"
    rows, columns = tensors[name].shape
    return _RECURRENT_BY_GATES.get(rows // max(columns, 1), "recurrent")


def weight_of(tensors: Mapping[str, Tensor]) -> tuple[str, Tensor] | None:
    """Find a layer's first matrix or kernel, and its name within the layer."""
    named = ((name, tensors[name]) for name in (*_WEIGHTS, *tensors) if name in tensors)
    return next(((name, tensor) for name, tensor in named if tensor.dim() >= 2), None)


def kept_filters(tensors: Mapping[str, Tensor]) -> Tensor | None:
    """Which filters a learnable mask keeps, bool of shape (C_out,); None where there is no such mask.

    The mask has a number for each filter of ``weight``, and ``threshold`` says from where on it keeps one.
    """
    if not {"weight", "mask", "threshold"} <= tensors.keys():
        return None
    weight, mask, threshold = (tensors[name] for name in ("weight", "mask", "threshold"))
    fits = weight.dim() >= 3 and mask.shape == weight.shape[:1] and threshold.dim() == 0
    if not fits or any(tensor.is_complex() or tensor.is_meta for tensor in (mask, threshold)):
        return None
    return mask > threshold
