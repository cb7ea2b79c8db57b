"""Pictures: classifiers of today, segmentation, warping, super-resolution."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tests.networks.parts import conv_bn

__all__ = [
    "Activations",
    "Context",
    "ConvNeXt",
    "Globe",
    "Overlaps",
    "SegNet",
    "SpatialTransformer",
    "Style",
    "SuperResolution",
    "Swin",
    "Thumbnail",
    "UNet",
    "Warp",
]


class ChannelNorm(nn.LayerNorm):
    """LayerNorm over the channels of (N, C, H, W)."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class NextBlock(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.depth = nn.Conv2d(width, width, 7, padding=3, groups=width)
        self.norm = nn.LayerNorm(width)
        self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)
        self.scale = nn.Parameter(torch.full((width,), 0.3))

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm(self.depth(x).permute(0, 2, 3, 1))
        return x + (self.scale * self.down(F.gelu(self.up(y)))).permute(0, 3, 1, 2)


class ConvNeXt(nn.Module):
    """After Liu et al. 2022; input (N, 3, 32, 32)."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(
            *(nn.Conv2d(3, 8, 4, 4), ChannelNorm(8), NextBlock(8)),
            *(ChannelNorm(8), nn.Conv2d(8, 16, 2, 2), NextBlock(16), NextBlock(16)),
        )
        self.norm, self.head = nn.LayerNorm(16), nn.Linear(16, 10)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.norm(self.body(x).mean((-2, -1))))


class Windows(nn.Module):
    """Attention inside windows of 4x4, shifted by half of one, with biases for relative places."""

    def __init__(self, width: int, side: int, shift: int) -> None:
        super().__init__()
        self.side, self.shift, self.heads = side, shift, 2
        self.norm = nn.LayerNorm(width)
        self.mixed, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.table = nn.Parameter(torch.randn(49, 2))
        rows, columns = torch.meshgrid(torch.arange(4), torch.arange(4), indexing="ij")
        at = torch.stack([rows.flatten(), columns.flatten()])
        apart = at[:, :, None] - at[:, None] + 3
        self.register_buffer("index", apart[0] * 7 + apart[1])
        self.register_buffer("mask", self.strangers())

    def strangers(self) -> Tensor:
        """Pixels that the shift brought into one window from two ends do not see each other."""
        part = torch.zeros(self.side)
        if self.shift:
            part[-4 : -self.shift], part[-self.shift :] = 1, 2
        parts = (3 * part[:, None] + part).view(self.side // 4, 4, self.side // 4, 4)
        parts = parts.transpose(1, 2).reshape(-1, 16)
        return (parts[:, None] != parts[:, :, None]).float()[:, None] * -100

    def forward(self, x: Tensor) -> Tensor:
        n, side, width = x.shape[0], self.side, x.shape[-1]
        y = torch.roll(self.norm(x), (-self.shift, -self.shift), (1, 2))
        y = y.view(n, side // 4, 4, side // 4, 4, width).permute(0, 1, 3, 2, 4, 5).reshape(-1, 16, width)
        q, k, v = self.mixed(y).reshape(y.shape[0], 16, 3, self.heads, -1).permute(2, 0, 3, 1, 4).unbind(0)
        scores = q @ k.transpose(-2, -1) * q.shape[-1] ** -0.5 + self.table[self.index].permute(2, 0, 1)
        scores = (scores.view(n, -1, self.heads, 16, 16) + self.mask).view(-1, self.heads, 16, 16)
        y = self.out((scores.softmax(-1) @ v).transpose(1, 2).reshape(-1, 16, width))
        y = (
            y.view(n, side // 4, side // 4, 4, 4, width)
            .permute(0, 1, 3, 2, 4, 5)
            .reshape(n, side, side, width)
        )
        return x + torch.roll(y, (self.shift, self.shift), (1, 2))


class Swin(nn.Module):
    """After Liu et al. 2021: windows, shifted windows, patches merged; input (N, 3, 32, 32)."""

    def __init__(self) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, 8, 4, 4)
        self.first = nn.Sequential(Windows(8, 8, 0), Windows(8, 8, 2))
        self.merge = nn.Linear(32, 16, bias=False)
        self.second = Windows(16, 4, 0)
        self.norm, self.head = nn.LayerNorm(16), nn.Linear(16, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.first(self.patches(x).permute(0, 2, 3, 1))
        corners = [x[:, i::2, j::2] for j in (0, 1) for i in (0, 1)]
        x = self.norm(self.second(self.merge(torch.cat(corners, -1))))
        return self.head(F.adaptive_avg_pool1d(x.flatten(1, 2).transpose(1, 2), 1).flatten(1))


class UNet(nn.Module):
    """Down twice and up again in three ways, with joins; input (N, 3, 32, 48)."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.third = (
            conv_bn(3, 8, 3, ""),
            conv_bn(8, 12, 3, ""),
            conv_bn(12, 16, 3, ""),
        )
        self.pool = nn.MaxPool2d(2)
        self.up = nn.ConvTranspose2d(16, 12, 2, 2)
        self.join = conv_bn(24, 8, 3, "")
        self.smooth = nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True)
        self.last = nn.Conv2d(16, 4, 1)

    def forward(self, x: Tensor) -> Tensor:
        fine = self.first(x)
        middle = self.second(self.pool(fine))
        y = self.join(torch.cat([self.up(self.third(self.pool(middle))), middle], 1))
        coarse = F.interpolate(
            self.last(torch.cat([self.smooth(y), fine], 1)), size=(24, 40), mode="bilinear"
        )
        return F.interpolate(coarse, scale_factor=2, mode="nearest")


class SegNet(nn.Module):
    """Where each maximum was tells where it goes back (Badrinarayanan et al. 2015); input (N, 3, 16, 16)."""

    def __init__(self) -> None:
        super().__init__()
        self.down, self.up = conv_bn(3, 8, 3, ""), conv_bn(8, 8, 3, "")
        self.last = nn.Conv2d(8, 4, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        y, at = F.max_pool2d(self.down(x), 2, return_indices=True)
        return self.last(F.max_unpool2d(self.up(y), at, 2))


class SpatialTransformer(nn.Module):
    """Straightens the picture before it classifies it (Jaderberg et al. 2015); input (N, 1, 20, 20)."""

    def __init__(self) -> None:
        super().__init__()
        self.look = nn.Sequential(nn.Conv2d(1, 4, 5, 2), nn.ReLU(), nn.Flatten(), nn.Linear(256, 6))
        self.register_buffer("still", torch.tensor([1.0, 0, 0, 0, 1, 0]))
        self.body = nn.Sequential(conv_bn(1, 8, 3, "", stride=2), nn.Flatten(), nn.Linear(800, 10))

    def forward(self, x: Tensor) -> Tensor:
        turn = (self.still + 0.2 * torch.tanh(self.look(x))).view(-1, 2, 3)
        grid = F.affine_grid(turn, list(x.shape), align_corners=False)
        return self.body(F.grid_sample(x, grid, align_corners=False))


class Globe(nn.Module):
    """Longitudes go around; towards the poles the field is mirrored; input (N, 2, 12, 24)."""

    def __init__(self) -> None:
        super().__init__()
        self.convs = nn.ModuleList(nn.Conv2d(cin, cout, 3) for cin, cout in ((2, 8), (8, 8), (8, 2)))

    def forward(self, x: Tensor) -> Tensor:
        start = x
        for index, conv in enumerate(self.convs):
            y = F.pad(F.pad(x, (1, 1, 0, 0), mode="circular"), (0, 0, 1, 1), mode="reflect")
            x = conv(y) if index == 2 else torch.tanh(conv(y))
        return start + x


class Style(nn.Module):
    """Reflection padding, instance normalisation, upsampling (Johnson et al. 2016); (N, 3, 24, 24)."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(
            *(nn.ReflectionPad2d(2), nn.Conv2d(3, 8, 5), nn.InstanceNorm2d(8, affine=True), nn.ReLU()),
            *(nn.ReplicationPad2d(1), nn.Conv2d(8, 8, 3, 2), nn.InstanceNorm2d(8), nn.ReLU()),
            *(nn.Upsample(scale_factor=2), nn.ZeroPad2d((1, 1, 1, 1)), nn.Conv2d(8, 3, 3)),
        )

    def forward(self, x: Tensor) -> Tensor:
        return (torch.tanh(self.body(x)) + 1) * 127.5


class SuperResolution(nn.Module):
    """A pixel shuffle, beside the picture scaled up smoothly (Shi et al. 2016); input (N, 3, 16, 16)."""

    def __init__(self) -> None:
        super().__init__()
        self.down = nn.PixelUnshuffle(2)
        self.body = nn.Sequential(nn.Conv2d(12, 16, 3, padding=1), nn.Tanh(), nn.Conv2d(16, 48, 3, padding=1))
        self.shuffle = nn.PixelShuffle(4)

    def forward(self, x: Tensor) -> Tensor:
        large = F.interpolate(x, scale_factor=2, mode="bilinear", antialias=True)
        return (large + self.shuffle(self.body(self.down(x)))).clamp(0, 1)


class Activations(nn.Module):
    """A residual network in which every block has another norm and activation; input (N, 3, 16, 16)."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, padding=1)
        pairs: list[tuple[nn.Module, nn.Module]] = [
            (nn.GroupNorm(4, 8), nn.Mish()),
            (nn.InstanceNorm2d(8, affine=True), nn.ELU()),
            (nn.BatchNorm2d(8), nn.PReLU(8)),
            (nn.GroupNorm(1, 8), nn.Softplus()),
            (nn.LocalResponseNorm(3), nn.CELU(0.7)),
            (nn.BatchNorm2d(8), nn.SELU()),
            (nn.BatchNorm2d(8), nn.Hardswish()),
            (nn.BatchNorm2d(8), nn.Softshrink(0.1)),
            (nn.BatchNorm2d(8), nn.Hardshrink(0.2)),
            (nn.BatchNorm2d(8), nn.LogSigmoid()),
            (nn.BatchNorm2d(8), nn.ReLU6()),
            (nn.BatchNorm2d(8), nn.Tanhshrink()),
            (nn.BatchNorm2d(8), nn.GELU("tanh")),
            (nn.BatchNorm2d(8), nn.Softsign()),
            (nn.BatchNorm2d(8), nn.Threshold(0.1, -0.2)),
        ]
        self.blocks = nn.ModuleList(nn.Sequential(nn.Conv2d(8, 8, 1), *pair) for pair in pairs)
        self.head = nn.Linear(8, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        for block in self.blocks:
            x = x + block(x) / 2
        return self.head(F.lp_pool2d(x, 2, x.shape[2]).flatten(1))


class Context(nn.Module):
    """Maxima of ever wider surroundings beside each pixel (after Chen et al. 2017); input (N, 3, 24, 24)."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.last = conv_bn(3, 6, 3, "", stride=2), nn.Conv2d(24, 4, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        wider = [F.max_pool2d(x, 3, 1, padding=1, dilation=step) for step in (1, 2, 3)]
        return self.last(torch.cat([x, *(F.interpolate(y, size=x.shape[2:]) for y in wider)], 1))


class Overlaps(nn.Module):
    """Patches cleaned one by one and put back where they overlap; input (N, 3, 16, 16)."""

    def __init__(self) -> None:
        super().__init__()
        self.mlp = nn.Sequential(nn.Linear(48, 32), nn.Tanh(), nn.Linear(32, 48))

    def forward(self, x: Tensor) -> Tensor:
        patches = F.unfold(x, 4, stride=2)
        cleaned = patches + self.mlp(patches.transpose(1, 2)).transpose(1, 2)
        shares = F.fold(torch.ones_like(patches), x.shape[2:], 4, stride=2)
        return F.fold(cleaned, x.shape[2:], 4, stride=2) / shares


class Warp(nn.Module):
    """A frame moved along a flow that is found first (after Jaderberg et al. 2015); input (N, 3, 16, 16)."""

    def __init__(self) -> None:
        super().__init__()
        self.flow = nn.Sequential(conv_bn(3, 8, 3, ""), nn.Conv2d(8, 2, 3, padding=1), nn.Tanh())
        steps = torch.linspace(-1, 1, 16)
        rows, columns = torch.meshgrid(steps, steps, indexing="ij")
        self.register_buffer("places", torch.stack([columns, rows], -1))

    def forward(self, x: Tensor) -> Tensor:
        grid = self.places + 0.3 * self.flow(x).permute(0, 2, 3, 1)
        near = F.grid_sample(x, grid, mode="nearest", padding_mode="border", align_corners=True)
        return near + F.grid_sample(x, grid, padding_mode="border", align_corners=True)


class Thumbnail(nn.Module):
    """Looks at the picture from afar, and gives a mask of its full size; input (N, 3, 30, 40)."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.Tanh(), nn.Conv2d(8, 2, 3, padding=1))

    def forward(self, x: Tensor) -> Tensor:
        small = F.interpolate(x, (12, 16), mode="bilinear", antialias=True)
        return F.interpolate(self.body(small), x.shape[2:], mode="bicubic", align_corners=True)
