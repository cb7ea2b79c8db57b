"""Plain supervised training on images held in memory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from rich.console import Console
from rich.progress import Progress
from torch import Tensor, nn
from torch.nn import functional as F

__all__ = ["Data", "accuracy", "epoch", "fit", "progress"]

BATCH = 64
LEARNING_RATE = 2e-3


@dataclass(frozen=True)
class Data:
    """Images (N, C, H, W) float32 and their labels (N,) int64."""

    x: Tensor
    y: Tensor

    def batches(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield shuffled batches, each moved by up to two pixels (the images' margins are empty)."""
        for chosen in torch.split(torch.randperm(len(self.y)), BATCH):
            shift = torch.randint(-2, 3, (2,)).tolist()
            yield self.x[chosen].roll(shift, dims=(2, 3)), self.y[chosen]


def progress() -> Progress:
    """Make a progress bar for standard error, silent where that is no terminal."""
    console = Console(stderr=True)
    return Progress(console=console, disable=not console.is_terminal)


def epoch(net: nn.Module, data: Data, optimizer: torch.optim.Optimizer) -> float:
    """Train once over the data; returns the share of it that was classified rightly on the way."""
    net.train()
    right = 0
    for x, y in data.batches():
        optimizer.zero_grad()
        logits = net(x)
        torch.autograd.backward(F.cross_entropy(logits, y))
        optimizer.step()
        right += int((logits.argmax(1) == y).sum())
    return right / len(data.y)


def fit(net: nn.Module, data: Data, epochs: int, title: str) -> None:
    """Train with Adam, its learning rate falling to zero along a cosine."""
    optimizer = torch.optim.Adam([p for p in net.parameters() if p.requires_grad], lr=LEARNING_RATE)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs)
    with progress() as bar:
        for _ in bar.track(range(epochs), description=title):
            epoch(net, data, optimizer)
            schedule.step()


def accuracy(net: nn.Module, data: Data) -> float:
    """Measure the share of the data that the network classifies rightly, in 0..1."""
    net.eval()
    with torch.no_grad():
        return int((net(data.x).argmax(1) == data.y).sum()) / len(data.y)
