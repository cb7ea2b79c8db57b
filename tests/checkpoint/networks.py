"""Networks of the tests; also what --arch of the tests names."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class ConvNet(nn.Module):
    """A block of conv and BN, a bare conv with its BN outside, a linear head; input (N, 1, 8, 8)."""

    def __init__(self, width: int = 4, classes: int = 5, block: type[nn.Module] | None = None) -> None:
        super().__init__()
        parts = [nn.Conv2d(1, width, 3, bias=False), nn.BatchNorm2d(width)]
        self.block = block(parts) if block else nn.Sequential(*parts)
        self.conv = nn.Conv2d(width, width, 3)
        self.bn = nn.BatchNorm2d(width)
        self.head = nn.Linear(16 * width, classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.block(x).relu()
        x = self.bn(self.conv(x)).relu().flatten(1)
        return self.head(x[:, : self.head.in_features])


class Mlp(nn.Module):
    """Two linear layers; input (N, 6)."""

    def __init__(self, hidden: int = 7) -> None:
        super().__init__()
        self.fc1 = nn.Linear(6, hidden)
        self.fc2 = nn.Linear(hidden, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(self.fc1(x).relu())


network = Mlp()
not_callable = 3


def needs_width(width: int) -> nn.Module:
    return Mlp(width)


def raises() -> nn.Module:
    raise RuntimeError("no such luck")


def returns_a_string() -> str:
    return "net"


def input_for(net: nn.Module) -> Tensor:
    generator = torch.Generator().manual_seed(7)
    shape = (4, 1, 8, 8) if isinstance(net, ConvNet) else (4, 6)
    return torch.randn(shape, generator=generator)
