"""The activations a dendrite can have, by the name a user types."""

from __future__ import annotations

import difflib
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from edgeshrink.errors import InputError

__all__ = ["ACTIVATIONS", "activation"]

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "relu": torch.relu,
    "leaky_relu": F.leaky_relu,
    "elu": F.elu,
    "selu": F.selu,
    "gelu": F.gelu,
    "silu": F.silu,
    "softplus": F.softplus,
    "hardsigmoid": F.hardsigmoid,
    "hardtanh": F.hardtanh,
}


def activation(name: str) -> Callable[[Tensor], Tensor]:
    """Find the elementwise function called ``name`` ("tanh", "torch.tanh", "torch.nn.functional.gelu").

    Raises:
        InputError: No activation has that name.
    """
    key = name.strip().rsplit(".", 1)[-1].lower()
    if key in ACTIVATIONS:
        return ACTIVATIONS[key]
    close = difflib.get_close_matches(key, ACTIVATIONS, n=1)
    raise InputError(
        f"unknown dendrite activation {name!r}" + (f"; did you mean {close[0]!r}?" if close else ""),
        f"Known are: {', '.join(ACTIVATIONS)}.",
    )
