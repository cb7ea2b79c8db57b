"""A one-stage detector: three outputs from a pyramid that is gone up and down again."""

from __future__ import annotations

import torch
from torch import nn

from tests.networks.parts import Widths, conv_bn

__all__ = ["detector"]


class Split(nn.Module):
    """Half of a convolution's channels go through another; all are joined (as in YOLOv8's blocks)."""

    def __init__(self, cin: int, half: int, inner: int, cout: int, name: str) -> None:
        super().__init__()
        self.first = conv_bn(cin, 2 * half, 1, "", then="swish")
        self.inner = conv_bn(half, inner, 3, f"{name}.inner", then="swish")
        self.last = conv_bn(2 * half + inner, cout, 1, name, then="swish")

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        left, right = self.first(x).chunk(2, 1)
        return self.last(torch.cat([left, right, self.inner(right)], 1))


class Detector(nn.Module):
    """Backbone, a pyramid by Resize and Concat, and one head for each of two scales."""

    def __init__(self, w: Widths) -> None:
        super().__init__()
        a, b, c = w("stem", 8), w("mid", 8), w("deep", 12)
        half = 4 * (8 if w.full else 1)
        self.stem = conv_bn(3, a, 3, "stem", stride=2, then="swish")
        narrow, inner = w("narrow", 8), w("mid.inner", 4)
        self.mid = nn.Sequential(
            conv_bn(a, narrow, 3, "narrow", stride=2, then="swish"), Split(narrow, half, inner, b, "mid")
        )
        self.deep = conv_bn(b, c, 3, "deep", stride=2, then="swish")
        self.up = nn.Upsample(scale_factor=2, mode="nearest")
        d = w("joined", 8)
        self.join = conv_bn(b + c, d, 3, "joined", then="leaky")
        self.heads = nn.ModuleList()
        for index, cin in enumerate((d, c)):
            inner = w(f"head{index}", 8)
            self.heads.append(nn.Sequential(conv_bn(cin, inner, 3, f"head{index}"), nn.Conv2d(inner, 7, 1)))

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        mid = self.mid(self.stem(x))
        deep = self.deep(mid)
        fine = self.heads[0](self.join(torch.cat([mid, self.up(deep)], 1)))
        coarse = self.heads[1](deep)
        return fine, coarse, torch.cat([fine.flatten(2), coarse.flatten(2)], 2).sigmoid()


def detector(w: Widths) -> nn.Module:
    """Two scales and all boxes together; input (N, 3, H, W) with sides that divide by 8."""
    return Detector(w)
