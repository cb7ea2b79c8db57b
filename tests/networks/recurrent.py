"""Recurrent classifiers of sequences (N, 10, 6)."""

from __future__ import annotations

import torch
from torch import nn

from tests.networks.parts import Widths, linear

__all__ = ["bidirectional_gru", "bidirectional_lstm", "gru", "lstm"]


class Recurrent(nn.Module):
    """Two recurrent layers and a two-layer head on the last step; `hidden` is the name of both states."""

    def __init__(self, w: Widths, kind: type[nn.RNNBase], *, both: bool) -> None:
        super().__init__()
        size = w("hidden", 12, 128)
        self.layers = kind(6, size, num_layers=2, batch_first=True, bidirectional=both)
        self.layers.space = "hidden"
        inner = w("inner", 8)
        self.inner = linear(size * (2 if both else 1), inner, "inner")
        self.head = nn.Linear(inner, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        states, _ = self.layers(x)
        return self.head(torch.relu(self.inner(states[:, -1])))


def lstm(w: Widths) -> nn.Module:
    """Forward only."""
    return Recurrent(w, nn.LSTM, both=False)


def gru(w: Widths) -> nn.Module:
    """Forward only."""
    return Recurrent(w, nn.GRU, both=False)


def bidirectional_lstm(w: Widths) -> nn.Module:
    """Both directions."""
    return Recurrent(w, nn.LSTM, both=True)


def bidirectional_gru(w: Widths) -> nn.Module:
    """Both directions."""
    return Recurrent(w, nn.GRU, both=True)
