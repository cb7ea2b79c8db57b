"""Transformers: an image classifier, an encoder of tokens, and a causal decoder."""

from __future__ import annotations

import torch
from torch import nn

from tests.networks.parts import Attention, Widths, linear

__all__ = ["bert", "decoder", "vit"]


class Block(nn.Module):
    """Attention and a two-layer network, each added to the stream; norms before or behind."""

    def __init__(self, w: Widths, width: int, name: str, *, first: bool, causal: bool = False) -> None:
        super().__init__()
        heads, hidden = w(f"{name}.heads", 4, 4), w(f"{name}.hidden", 32, 4 * width)
        self.first = first
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attention = Attention(width, heads, width // 4, f"{name}.heads", causal=causal)
        self.up, self.down = linear(width, hidden, f"{name}.hidden"), nn.Linear(hidden, width)

    def mlp(self, x: torch.Tensor) -> torch.Tensor:
        return self.down(nn.functional.gelu(self.up(x)))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.first:
            x = x + self.attention(self.norm1(x))
            return x + self.mlp(self.norm2(x))
        x = self.norm1(x + self.attention(x))
        return self.norm2(x + self.mlp(x))


class ViT(nn.Module):
    """Patches, a class token, positions, blocks (Dosovitskiy et al. 2020)."""

    def __init__(self, w: Widths) -> None:
        super().__init__()
        width = 192 if w.full else 16
        self.patches = nn.Conv2d(3, width, 8, 8)
        self.token = nn.Parameter(torch.randn(1, 1, width))
        self.positions = nn.Parameter(torch.randn(1, 17, width))
        self.blocks = nn.Sequential(*(Block(w, width, f"block{i}", first=True) for i in range(2)))
        self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, 10)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        x = self.patches(image).flatten(2).transpose(1, 2)
        x = torch.cat([self.token.expand(x.shape[0], -1, -1), x], 1) + self.positions
        return self.head(self.norm(self.blocks(x))[:, 0])


def vit(w: Widths) -> nn.Module:
    """After ViT-Tiny; input (N, 3, 32, 32)."""
    return ViT(w)


class Tokens(nn.Module):
    """Token and position embeddings, blocks, and a head that reads the first token, or each."""

    def __init__(self, w: Widths, *, causal: bool) -> None:
        super().__init__()
        width = 192 if w.full else 16
        self.causal = causal
        self.words, self.places = nn.Embedding(100, width), nn.Parameter(torch.randn(1, 12, width))
        self.norm = nn.LayerNorm(width)
        blocks = (Block(w, width, f"block{i}", first=causal, causal=causal) for i in range(2))
        self.blocks = nn.Sequential(*blocks)
        pooled = w("pooled", 16)
        self.pool = linear(width, pooled, "pooled")
        self.head = nn.Linear(pooled, 100 if causal else 3)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        x = self.blocks(self.norm(self.words(ids) + self.places))
        return self.head(torch.tanh(self.pool(x if self.causal else x[:, 0])))


def bert(w: Widths) -> nn.Module:
    """An encoder of token ids with norms behind; input (N, 12) int64 below 100."""
    return Tokens(w, causal=False)


def decoder(w: Widths) -> nn.Module:
    """A causal decoder with norms before; input (N, 12) int64 below 100."""
    return Tokens(w, causal=True)
