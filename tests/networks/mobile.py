"""Depthwise networks: MobileNetV3, EfficientNet and ShuffleNetV2."""

from __future__ import annotations

import torch
from torch import nn

from tests.networks.parts import Widths, act, conv_bn, in_space

__all__ = ["efficientnet", "mobilenet", "shufflenet"]


class Squeeze(nn.Module):
    """Channels times a number each, computed from their means."""

    def __init__(self, width: int, inner: int, name: str, gate: nn.Module, then: str) -> None:
        super().__init__()
        self.down = in_space(nn.Conv2d(width, inner, 1), f"{name}.squeeze")
        self.up = in_space(nn.Conv2d(inner, width, 1), f"{name}.wide")
        self.gate, self.act = gate, act(then)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * self.gate(self.up(self.act(self.down(x.mean((2, 3), keepdim=True)))))


class Inverted(nn.Module):
    """1x1 wide, depthwise, squeeze, 1x1 narrow without activation, and the input added where it fits."""

    def __init__(
        self, widths: tuple[int, int, int, int], size: int, stride: int, name: str, then: str, gate: nn.Module
    ) -> None:
        super().__init__()
        cin, wide, inner, cout = widths
        self.expand = conv_bn(cin, wide, 1, f"{name}.wide", then=then)
        self.depth = conv_bn(wide, wide, size, f"{name}.wide", stride=stride, groups=wide, then=then)
        squeeze_act = "relu" if isinstance(gate, nn.Hardsigmoid) else "swish"
        self.squeeze = Squeeze(wide, inner, name, gate, squeeze_act) if inner else nn.Identity()
        self.project = conv_bn(wide, cout, 1, name.split("/")[0], then="")
        self.adds = stride == 1 and "/" in name and not name.endswith("/0")

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.project(self.squeeze(self.depth(self.expand(x))))
        return x + y if self.adds else y


def _inverted(w: Widths, rows: list[tuple[int, int, int, int, int, str]], gate: type[nn.Module]) -> nn.Module:
    """Rows of (output width, times wider inside, blocks, kernel, stride, activation)."""
    cin = w("stem", 8, 32)
    layers: list[nn.Module] = [conv_bn(3, cin, 3, "stem", stride=2, then="hardswish")]
    for stage, (width, wider, depth, size, stride, then) in enumerate(rows):
        cout = w(f"stage{stage}", width)
        for index in range(depth):
            name = f"stage{stage}/{index}"
            wide = w(f"{name}.wide", width * wider)
            inner = w(f"{name}.squeeze", max(width * wider // 4, 2)) if stage else 0
            step = stride if index == 0 else 1
            layers.append(Inverted((cin, wide, inner, cout), size, step, name, then, gate()))
            cin = cout
    last = w("last", 16, 576)
    return nn.Sequential(
        *layers,
        conv_bn(cin, last, 1, "last", then="hardswish"),
        *(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(last, 10)),
    )


def mobilenet(w: Widths) -> nn.Module:
    """After MobileNetV3-Small (Howard et al. 2019); input (N, 3, H, W)."""
    rows = [(4, 1, 1, 3, 2, "relu"), (6, 4, 2, 3, 2, "relu"), (8, 4, 2, 5, 2, "hardswish")]
    return _inverted(w, rows, nn.Hardsigmoid)


def efficientnet(w: Widths) -> nn.Module:
    """After EfficientNet-B0 (Tan and Le 2019): swish throughout, sigmoid gates; input (N, 3, H, W)."""
    rows = [(4, 1, 1, 3, 1, "swish"), (6, 6, 2, 3, 2, "swish"), (8, 6, 2, 5, 2, "swish")]
    return _inverted(w, rows, nn.Sigmoid)


class Shuffled(nn.Module):
    """Half the channels pass, half go through a branch, and both are shuffled (Ma et al. 2018)."""

    def __init__(self, half: int, inner: int, name: str) -> None:
        super().__init__()
        self.half = half
        self.branch = nn.Sequential(
            conv_bn(half, inner, 1, f"{name}.inner"),
            conv_bn(inner, inner, 3, f"{name}.inner", groups=inner, then=""),
            conv_bn(inner, half, 1, ""),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        left, right = x.chunk(2, 1)
        y = torch.cat([left, self.branch(right)], 1)
        n, c, height, width = y.shape
        return y.view(n, 2, c // 2, height, width).transpose(1, 2).reshape(n, c, height, width)


def shufflenet(w: Widths) -> nn.Module:
    """A stem and three units with a channel shuffle each; input (N, 3, H, W).

    The streams of all units are tied by the shuffles, so they have no ideal but whole networks.
    """
    half = 4 * (8 if w.full else 1)
    units = [Shuffled(half, w(f"unit{i}.inner", 8), f"unit{i}") for i in range(3)]
    last = w("last", 16)
    return nn.Sequential(
        conv_bn(3, 2 * half, 3, "", stride=2),
        *units,
        conv_bn(2 * half, last, 1, "last"),
        *(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(last, 10)),
    )
