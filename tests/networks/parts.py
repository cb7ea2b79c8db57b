"""What the networks are built of: layers that say which space their units are in, as wide as that is.

A space is a list of units that live and die together. Layers that write into one space bear its name, so that
a mask can take the same units in all of them, and a smaller network of the same class can be built by hand.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import torch
from torch import nn

__all__ = ["Attention", "Builder", "Module", "Widths", "act", "conv_bn", "in_space", "linear"]

Module = TypeVar("Module", bound=nn.Module)
Builder = Callable[["Widths"], nn.Module]


class Widths:
    """The size of each space by its name.

    Args:
        full: Eight times as wide, or as wide as in the paper the network is from.
        left: How many units of a space are left, by its name and its size.
    """

    def __init__(self, *, full: bool = False, left: Callable[[str, int], int] = lambda _, size: size) -> None:
        self.full = full
        self.left = left

    def __call__(self, space: str, narrow: int, full: int | None = None) -> int:
        """The size of a space."""
        return self.left(space, (full or narrow * 8) if self.full else narrow)


def in_space(module: Module, space: str) -> Module:
    """Say that the units a module writes are those of a space; those of no name are never masked together."""
    if space:
        module.space = space
    return module


def act(name: str) -> nn.Module:
    """An activation by its short name."""
    return {"relu": nn.ReLU, "swish": nn.SiLU, "hardswish": nn.Hardswish, "leaky": nn.LeakyReLU}[name]()


def conv_bn(
    cin: int, cout: int, size: int, space: str, *, stride: int = 1, groups: int = 1, then: str = "relu"
) -> nn.Sequential:
    """Convolution without bias, BatchNorm, activation (none if `then` is empty)."""
    return nn.Sequential(
        in_space(nn.Conv2d(cin, cout, size, stride, size // 2, groups=groups, bias=False), space),
        in_space(nn.BatchNorm2d(cout), space),
        *([act(then)] if then else []),
    )


def linear(cin: int, cout: int, space: str) -> nn.Linear:
    """A linear layer that writes into a space."""
    return in_space(nn.Linear(cin, cout), space)


class Attention(nn.Module):
    """Attention of several heads over (N, T, width); `heads` is the name of the space of heads."""

    def __init__(self, width: int, heads: int, size: int, space: str, *, causal: bool = False) -> None:
        super().__init__()
        self.heads, self.size, self.causal, self.head_space = heads, size, causal, space
        self.query, self.key, self.value = (nn.Linear(width, heads * size) for _ in range(3))
        self.out = nn.Linear(heads * size, width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        batch, length, _ = x.shape
        split = [
            layer(x).view(batch, length, self.heads, self.size).transpose(1, 2)
            for layer in (self.query, self.key, self.value)
        ]
        scores = split[0] @ split[1].transpose(2, 3) * self.size**-0.5
        if self.causal:
            mask = torch.ones(length, length, dtype=torch.bool).tril()
            scores = scores.masked_fill(~mask, float("-inf"))
        mixed = torch.softmax(scores, -1) @ split[2]
        return self.out(mixed.transpose(1, 2).reshape(batch, length, self.heads * self.size))
