"""Detectors: single shot with priors, boxes as a set from a transformer, and peaks of heatmaps."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tests.networks.parts import conv_bn

__all__ = ["DETR", "SSD", "Peaks", "Pose"]


class ScaledUnitNorm(nn.Module):
    """Each pixel's channels as a unit vector, times a learned number a channel (Liu et al. 2015)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.full((width, 1, 1), 5.0) + torch.rand(width, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        return F.normalize(x, dim=1) * self.scale


class SSD(nn.Module):
    """Two maps, four priors a cell, boxes decoded to corners (Liu et al. 2015); input (N, 3, 50, 50)."""

    def __init__(self, classes: int = 5) -> None:
        super().__init__()
        self.classes = classes
        pool = nn.MaxPool2d(2, 2, ceil_mode=True)  # 25 -> 13, as in the paper's 75 -> 38
        self.stem = nn.Sequential(conv_bn(3, 8, 3, "", stride=2), pool, conv_bn(8, 16, 3, ""))
        self.norm = ScaledUnitNorm(16)
        self.deep = nn.Sequential(nn.MaxPool2d(2, 2), nn.Conv2d(16, 24, 3, padding=2, dilation=2), nn.ReLU())
        self.boxes = nn.ModuleList(nn.Conv2d(width, 4 * 4, 3, padding=1) for width in (16, 24))
        self.scores = nn.ModuleList(nn.Conv2d(width, 4 * classes, 3, padding=1) for width in (16, 24))
        self.register_buffer("priors", torch.cat([self.cells(13, 0.2), self.cells(6, 0.5)]))

    @staticmethod
    def cells(count: int, size: float) -> Tensor:
        """Four boxes (x, y, width, height) around the middle of each cell."""
        steps = (torch.arange(count) + 0.5) / count
        y, x = torch.meshgrid(steps, steps, indexing="ij")
        middles = torch.stack([x, y], -1).reshape(-1, 1, 2).expand(-1, 4, 2)
        sides = torch.tensor([[1, 1], [1.2, 1.2], [1.4, 0.7], [0.7, 1.4]]) * size
        return torch.cat([middles, sides.expand(count * count, 4, 2)], -1).reshape(-1, 4)

    def forward(self, image: Tensor) -> dict[str, Tensor]:
        fine = self.stem(image)
        maps = (self.norm(fine), self.deep(fine))
        moves = self.joined(self.boxes, maps, 4)
        middle = self.priors[:, :2] + moves[..., :2] * 0.1 * self.priors[:, 2:]
        half = self.priors[:, 2:] * torch.exp(moves[..., 2:] * 0.2) / 2
        corners = torch.cat([middle - half, middle + half], -1).clamp(0, 1)
        return {"boxes": corners, "scores": self.joined(self.scores, maps, self.classes).softmax(-1)}

    @staticmethod
    def joined(heads: nn.ModuleList, maps: tuple[Tensor, Tensor], size: int) -> Tensor:
        """All heads' numbers, a box a row."""
        found = [head(x).permute(0, 2, 3, 1) for head, x in zip(heads, maps, strict=True)]
        return torch.cat([x.reshape(x.shape[0], -1, size) for x in found], 1)


class Layer(nn.Module):
    """One layer of DETR: to itself, to the memory if there is one, and a two-layer network."""

    def __init__(self, width: int, *, decodes: bool) -> None:
        super().__init__()
        self.own = nn.MultiheadAttention(width, 4, batch_first=True)
        self.other = nn.MultiheadAttention(width, 4, batch_first=True) if decodes else None
        self.mlp = nn.Sequential(nn.Linear(width, 48), nn.ReLU(), nn.Dropout(0.1), nn.Linear(48, width))
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(3))

    def forward(
        self, x: Tensor, place: Tensor, memory: Tensor | None = None, where: Tensor | None = None
    ) -> Tensor:
        at = x + place
        x = self.norms[0](x + self.own(at, at, x, need_weights=False)[0])
        if self.other is not None:
            x = self.norms[1](x + self.other(x + place, memory + where, memory, need_weights=False)[0])
        return self.norms[2](x + self.mlp(x))


class DETR(nn.Module):
    """A set of six boxes from a transformer (Carion et al. 2020); input (N, 3, 32, 40)."""

    def __init__(self, width: int = 24) -> None:
        super().__init__()
        self.backbone = nn.Sequential(conv_bn(3, 8, 3, "", stride=2), conv_bn(8, 16, 3, "", stride=4))
        self.narrow = nn.Conv2d(16, width, 1)
        self.encoder = nn.ModuleList(Layer(width, decodes=False) for _ in range(2))
        self.decoder = nn.ModuleList(Layer(width, decodes=True) for _ in range(2))
        self.queries = nn.Embedding(6, width)
        self.classes = nn.Linear(width, 5)
        self.boxes = nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, 4))

    def places(self, x: Tensor) -> Tensor:
        """Sines of the row and of the column, of four wavelengths each, as (1, positions, width)."""
        count = x.shape[1] // 4
        ones = torch.ones_like(x[:1, 0])
        rates = 10000 ** (torch.arange(count, dtype=x.dtype, device=x.device) / count)
        waves = [ones.cumsum(axis)[..., None] * 6.28 / rates for axis in (1, 2)]
        return torch.cat([part for wave in waves for part in (wave.sin(), wave.cos())], -1).flatten(1, 2)

    def forward(self, image: Tensor) -> dict[str, Tensor]:
        grid = self.narrow(self.backbone(image))
        where = self.places(grid)
        x = grid.flatten(2).transpose(1, 2)
        for layer in self.encoder:
            x = layer(x, where)
        asked = self.queries.weight.expand(x.shape[0], -1, -1)
        y = torch.zeros_like(asked)
        for layer in self.decoder:
            y = layer(y, asked, x, where)
        return {"logits": self.classes(y), "boxes": self.boxes(y).sigmoid()}


def upsampling(cin: int, cout: int) -> nn.Sequential:
    """Twice as large by a transposed convolution."""
    return nn.Sequential(nn.ConvTranspose2d(cin, cout, 4, 2, 1, bias=False), nn.BatchNorm2d(cout), nn.ReLU())


class Pose(nn.Module):
    """A heatmap a joint and its highest point (Xiao et al. 2018); input (N, 3, 32, 32)."""

    def __init__(self) -> None:
        super().__init__()
        down = (conv_bn(3, 8, 3, "", stride=2), conv_bn(8, 16, 3, "", stride=2))
        self.body = nn.Sequential(*down, upsampling(16, 8), nn.Conv2d(8, 5, 1))

    def forward(self, image: Tensor) -> dict[str, Tensor]:
        heat = self.body(image)
        flat = heat.flatten(2)
        at = flat.argmax(2)
        width = heat.shape[3]
        places = torch.stack([at % width, at // width], -1)
        return {"heatmaps": heat, "joints": places.float(), "confidence": flat.amax(2).sigmoid()}


class Peaks(nn.Module):
    """Centres are local maxima; the best eight, with the size found there (Zhou et al. 2019)."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(
            conv_bn(3, 8, 3, "", stride=2), conv_bn(8, 16, 3, "", stride=2), upsampling(16, 8)
        )
        self.heat, self.size = nn.Conv2d(8, 3, 1), nn.Conv2d(8, 2, 1)

    def forward(self, image: Tensor) -> dict[str, Tensor]:
        x = self.body(image)
        heat = self.heat(x).sigmoid()
        kept = heat * (F.max_pool2d(heat, 3, 1, 1) == heat)
        scores, at = kept.flatten(1).topk(8)
        cells = x.shape[2] * x.shape[3]
        kinds = torch.div(at, cells, rounding_mode="floor")
        cell = (at % cells)[:, None].expand(-1, 2, -1)
        return {"scores": scores, "kinds": kinds.int(), "sizes": self.size(x).flatten(2).gather(2, cell)}
