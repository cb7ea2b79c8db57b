"""Chains and concatenations: VGG, DenseNet and a U-Net."""

from __future__ import annotations

import torch
from torch import nn

from tests.networks.parts import Widths, conv_bn, in_space, linear

__all__ = ["densenet", "unet", "vgg16"]


def vgg16(w: Widths) -> nn.Module:
    """VGG-16 with BatchNorm (Simonyan and Zisserman 2014); input (N, 3, 32, 32)."""
    layers: list[nn.Module] = []
    cin = 3
    for stage, (depth, width) in enumerate(zip((2, 2, 3, 3, 3), (4, 8, 16, 16, 16), strict=True)):
        for index in range(depth):
            space = f"conv{stage}_{index}"
            cout = w(space, width, width * 16 if stage < 4 else 512)
            layers += [conv_bn(cin, cout, 3, space)]
            cin = cout
        layers.append(nn.MaxPool2d(2))
    hidden = [w("fc0", 16, 512), w("fc1", 12, 512)]
    return nn.Sequential(
        *layers,
        nn.Flatten(),
        *(linear(cin, hidden[0], "fc0"), nn.ReLU(), nn.Dropout()),
        *(linear(hidden[0], hidden[1], "fc1"), nn.ReLU(), nn.Dropout(), nn.Linear(hidden[1], 10)),
    )


class Dense(nn.Module):
    """BatchNorm, ReLU, 1x1, BatchNorm, ReLU, 3x3, and the input kept beside (Huang et al. 2016)."""

    def __init__(self, cin: int, inner: int, growth: int, name: str) -> None:
        super().__init__()
        self.norm1 = nn.BatchNorm2d(cin)
        self.conv1 = in_space(nn.Conv2d(cin, inner, 1, bias=False), f"{name}.inner")
        self.norm2 = in_space(nn.BatchNorm2d(inner), f"{name}.inner")
        self.conv2 = in_space(nn.Conv2d(inner, growth, 3, padding=1, bias=False), f"{name}.growth")

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.conv1(torch.relu(self.norm1(x)))
        return torch.cat([x, self.conv2(torch.relu(self.norm2(y)))], 1)


def densenet(w: Widths) -> nn.Module:
    """Two dense blocks with a transition between; input (N, 3, H, W)."""
    cin = w("stem", 8, 64)
    layers: list[nn.Module] = [in_space(nn.Conv2d(3, cin, 3, 1, 1, bias=False), "stem")]
    for block, depth in enumerate((6, 12) if w.full else (3, 3)):
        for index in range(depth):
            name = f"block{block}_{index}"
            growth = w(f"{name}.growth", 4, 32)
            layers.append(Dense(cin, w(f"{name}.inner", 8, 128), growth, name))
            cin += growth
        if block == 0:
            half = w("transition", 12, 128)
            layers += [
                nn.BatchNorm2d(cin),
                nn.ReLU(),
                in_space(nn.Conv2d(cin, half, 1, bias=False), "transition"),
            ]
            layers.append(nn.AvgPool2d(2))
            cin = half
    return nn.Sequential(
        *layers, nn.BatchNorm2d(cin), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(cin, 10)
    )


class UNet(nn.Module):
    """Down, up by transposed convolutions, and the skips concatenated (Ronneberger et al. 2015)."""

    def __init__(self, w: Widths) -> None:
        super().__init__()
        widths = [w(f"down{i}", 8 << i, 64 << i) for i in range(3)]
        cin = 3
        self.down, self.up, self.join = nn.ModuleList(), nn.ModuleList(), nn.ModuleList()
        for i, width in enumerate(widths):
            inner = w(f"inner{i}", 8 << i, 64 << i)
            self.down.append(
                nn.Sequential(conv_bn(cin, inner, 3, f"inner{i}"), conv_bn(inner, width, 3, f"down{i}"))
            )
            cin = width
        for i in (1, 0):
            up = w(f"up{i}", 8 << i, 64 << i)
            self.up.append(in_space(nn.ConvTranspose2d(cin, up, 2, 2), f"up{i}"))
            cin = w(f"join{i}", 8 << i, 64 << i)
            self.join.append(conv_bn(up + widths[i], cin, 3, f"join{i}"))
        self.head = nn.Conv2d(cin, 2, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        skips = []
        for index, block in enumerate(self.down):
            x = block(x if index == 0 else torch.max_pool2d(x, 2))
            skips.append(x)
        for up, join, skip in zip(self.up, self.join, (skips[1], skips[0]), strict=True):
            x = join(torch.cat([up(x), skip], 1))
        return self.head(x)


def unet(w: Widths) -> nn.Module:
    """Three resolutions; input (N, 3, H, W) with sides that divide by 4."""
    return UNet(w)
