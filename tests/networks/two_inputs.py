"""An image and a vector, joined."""

from __future__ import annotations

import torch
from torch import nn

from tests.networks.parts import Widths, conv_bn, linear

__all__ = ["two_inputs"]


class TwoInputs(nn.Module):
    """A branch for each input; the vector scales the image's channels, and both are concatenated."""

    def __init__(self, w: Widths) -> None:
        super().__init__()
        image, vector, joined = w("image", 8), w("vector", 8), w("joined", 12)
        self.image = nn.Sequential(
            conv_bn(3, image, 3, "image", stride=2), conv_bn(image, image, 3, "image", stride=2)
        )
        self.vector = nn.Sequential(linear(5, vector, "vector"), nn.Tanh())
        self.scale = linear(vector, image, "image")
        self.joined = linear(image + vector, joined, "joined")
        self.head = nn.Linear(joined, 4)

    def forward(self, image: torch.Tensor, state: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        x, v = self.image(image).mean((2, 3)), self.vector(state)
        y = torch.relu(self.joined(torch.cat([x * self.scale(v), v], 1)))
        return self.head(y), y.sum(1)


def two_inputs(w: Widths) -> nn.Module:
    """Inputs (N, 3, H, W) and (N, 5); two outputs."""
    return TwoInputs(w)
