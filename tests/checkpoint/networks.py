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


class SeriesNet(nn.Module):
    """A convolution over time, then a linear layer at every time step; input (N, 3, 10)."""

    time_first = ("head",)  # layers whose output is (N, T, C)

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv1d(3, 5, 3, padding=1)
        self.head = nn.Linear(5, 4)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.conv(x).relu().transpose(1, 2)).mean(1)


class DepthwiseNet(nn.Module):
    """Depthwise and pointwise convolutions, two linear layers; input (N, 2, 6, 6)."""

    def __init__(self) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(2, 4, 3, padding=1, groups=2)
        self.pointwise = nn.Conv2d(4, 6, 1, bias=False)
        self.norm = nn.BatchNorm2d(6)
        self.fc = nn.Linear(6, 8)
        self.head = nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.norm(self.pointwise(self.depthwise(x).relu())).relu()
        return self.head(self.fc(x.mean((2, 3))).relu())


class GruNet(nn.Module):
    """A GRU whose last output a linear layer reads; input (N, 5, 3)."""

    time_first = ("rnn",)

    def __init__(self) -> None:
        super().__init__()
        self.rnn = nn.GRU(3, 6, batch_first=True)
        self.head = nn.Linear(6, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.rnn(x)[0][:, -1])


class LstmNet(nn.Module):
    """An LSTM whose last output a linear layer reads; input (N, 5, 3)."""

    time_first = ("rnn",)

    def __init__(self) -> None:
        super().__init__()
        self.rnn = nn.LSTM(3, 6, batch_first=True)
        self.head = nn.Linear(6, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.rnn(x)[0][:, -1])


class LstmCellNet(nn.Module):
    """An LSTM cell called step by step; input (N, 5, 3)."""

    cells = ("rnn",)  # layers whose output is (N, C), whatever the library would think

    def __init__(self) -> None:
        super().__init__()
        self.rnn = nn.LSTMCell(3, 6)
        self.head = nn.Linear(6, 2)

    def forward(self, x: Tensor) -> Tensor:
        state = (x.new_zeros(len(x), 6), x.new_zeros(len(x), 6))
        for step in x.unbind(1):
            state = self.rnn(step, state)
        return self.head(state[0])


class TiedNet(nn.Module):
    """Two layers with one weight, and one layer under two names; input (N, 6)."""

    def __init__(self) -> None:
        super().__init__()
        self.early = nn.Linear(6, 6)
        self.later = nn.Linear(6, 6)
        self.later.weight = self.early.weight
        self.reused = self.early
        self.head = nn.Linear(6, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.reused(self.later(self.early(x)).relu()).relu())


class ClippedNet(nn.Module):
    """A linear layer whose rows are cut to a norm of 1 before every call; input (N, 6)."""

    def __init__(self) -> None:
        super().__init__()
        self.clipped = nn.Linear(6, 7)
        self.clipped.register_forward_pre_hook(_cut_to_norm_one)
        self.head = nn.Linear(7, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.clipped(x).relu())


class RenormNet(nn.Module):
    """The same, by a method of the network that gives the layer new weights; input (N, 6)."""

    def __init__(self) -> None:
        super().__init__()
        self.clipped = nn.Linear(6, 7)
        self.clipped.register_forward_pre_hook(self._renorm)
        self.head = nn.Linear(7, 3)

    def _renorm(self, layer: nn.Module, _: object) -> None:
        layer.weight.data = torch.renorm(layer.weight.data, p=2, dim=0, maxnorm=1)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.clipped(x).relu())


def _cut_to_norm_one(layer: nn.Module, _: object) -> None:
    with torch.no_grad():
        layer.weight.div_(layer.weight.norm(dim=1, keepdim=True).clamp(min=1))


network = Mlp()
not_callable = 3


def needs_width(width: int) -> nn.Module:
    return Mlp(width)


def raises() -> nn.Module:
    raise RuntimeError("no such luck")


def returns_a_string() -> str:
    return "net"


_SHAPES = {
    "ConvNet": (4, 1, 8, 8),
    "SeriesNet": (4, 3, 10),
    "DepthwiseNet": (4, 2, 6, 6),
    "GruNet": (4, 5, 3),
    "LstmNet": (4, 5, 3),
    "LstmCellNet": (4, 5, 3),
}


def input_for(net: nn.Module) -> Tensor:
    generator = torch.Generator().manual_seed(7)
    return torch.randn(_SHAPES.get(type(net).__name__, (4, 6)), generator=generator)
