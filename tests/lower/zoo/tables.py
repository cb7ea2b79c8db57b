"""Numbers, sets and graphs: recommenders, sensors with gaps, point clouds, messages along edges."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["Grid", "Messages", "PointCloud", "Recommender", "Sensors", "Votes"]


class Recommender(nn.Module):
    """Hashed ids, a bag of words and a one-hot weekday; inputs (N,), (N, 5), (N,) int64."""

    def __init__(self) -> None:
        super().__init__()
        self.users, self.days = nn.Embedding(16, 8), nn.Linear(7, 4)
        self.words = nn.EmbeddingBag(40, 8, mode="mean")
        self.head = nn.Sequential(nn.Linear(20, 16), nn.ReLU(), nn.Linear(16, 1))

    def forward(self, user: Tensor, words: Tensor, day: Tensor) -> Tensor:
        hashed = self.users((user * 7 + 3) & 15)
        weekday = self.days(F.one_hot(torch.remainder(day, 7), 7).float())
        return self.head(torch.cat([hashed, self.words(words), weekday], 1)).sigmoid()


class Sensors(nn.Module):
    """Readings with gaps and flags that contradict each other; inputs (N, 6) float and (N, 6) int32."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(27, 16), nn.Tanh(), nn.Linear(16, 3))

    def forward(self, reading: Tensor, age: Tensor) -> Tensor:
        ratio = 1 / F.relu(reading)  # infinite where the sensor reads nothing
        lost = torch.isinf(ratio) | torch.isnan(ratio)
        clean = torch.where(lost, torch.zeros_like(ratio), ratio.clamp(max=4))
        late = F.relu(age - 5).float() / 50
        doubt = (lost ^ (age > 50)).float()
        countdown = (~age.clamp(0, 60)).float() / 100
        kind = torch.where(age[:, :1] > 50, lost, ~lost).float().mean(1, keepdim=True)
        whole = (lost.sum(1, keepdim=True) < 3) & ~(age > 90).all(1, keepdim=True)
        facts = torch.cat([kind, whole.float(), lost.amax(1, keepdim=True).float()], 1)
        return self.body(torch.cat([clean, late, doubt, countdown, facts], 1))


class PointCloud(nn.Module):
    """Each point with its four nearest others (Wang et al. 2018); input (N, 3, 20)."""

    def __init__(self) -> None:
        super().__init__()
        self.edges = nn.Sequential(nn.Conv2d(6, 16, 1, bias=False), nn.BatchNorm2d(16), nn.LeakyReLU(0.2))
        self.head = nn.Linear(32, 5)

    def forward(self, points: Tensor) -> Tensor:
        x = points.transpose(1, 2)
        apart = (x[:, :, None] - x[:, None]).pow(2).sum(-1)
        near = apart.topk(5, dim=-1, largest=False).indices[:, :, 1:]
        index = near[..., None].expand(-1, -1, -1, 3)
        others = x[:, None].expand(-1, x.shape[1], -1, -1).gather(2, index)
        own = x[:, :, None].expand_as(others)
        y = self.edges(torch.cat([own, others - own], -1).permute(0, 3, 1, 2)).amax(3)
        return self.head(torch.cat([y.amax(2), y.mean(2)], 1))


class Messages(nn.Module):
    """Two rounds of messages along edges that are the same in every input; input (10, 6)."""

    def __init__(self) -> None:
        super().__init__()
        draw = torch.Generator().manual_seed(0)
        self.register_buffer("edges", torch.randint(0, 10, (2, 24), generator=draw))
        self.message, self.update = nn.Linear(12, 6), nn.Linear(12, 6)

    def forward(self, nodes: Tensor) -> Tensor:
        source, target = self.edges
        x = nodes
        for _ in range(2):
            told = F.elu(self.message(torch.cat([x[source], x[target]], 1)))
            heard = torch.zeros_like(x).index_add(0, target, told)
            x = x + torch.tanh(self.update(torch.cat([x, heard], 1)))
        return x


class Votes(nn.Module):
    """Features that vote into bins which the input chooses, summed and at most; input (N, 3, 20)."""

    def __init__(self) -> None:
        super().__init__()
        self.look, self.head = nn.Linear(3, 4), nn.Linear(72, 5)

    def forward(self, points: Tensor) -> Tensor:
        x = points.transpose(1, 2)
        seen = torch.tanh(self.look(x))
        bins = ((x[..., :1] + 2) * 2).long().clamp(0, 7).expand(-1, -1, 4)
        empty = torch.zeros(x.shape[0], 8, 4)
        total = empty.scatter_add(1, bins, seen)
        most = empty.scatter_reduce(1, bins, seen, "amax")
        taken = torch.zeros(x.shape[0], 8, dtype=torch.int64).scatter(1, bins[..., 0], 1)
        return self.head(torch.cat([total, most, taken[..., None].float()], -1).flatten(1))


class Grid(nn.Module):
    """Points drawn into a map (Lang et al. 2018); input (10, 6), the first two are the place."""

    def __init__(self) -> None:
        super().__init__()
        self.look, self.body = nn.Linear(6, 4), nn.Conv2d(4, 3, 3, padding=1)

    def forward(self, points: Tensor) -> Tensor:
        cell = ((points[:, :2].clamp(-2.0, 1.99) + 2) * 2).long()
        place = cell[:, 0] * 8 + cell[:, 1]
        drawn = torch.zeros(64, 4).index_add(0, place, F.relu(self.look(points)))
        return self.body(drawn.t().reshape(1, 4, 8, 8))
