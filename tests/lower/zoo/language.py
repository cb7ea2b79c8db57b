"""Tokens: a causal language model of today, in words of its own and in those of torch."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["CausalLM", "CausalLMWithTorchsOwn", "Encoder", "Retention", "RotaryByOperator"]


def turned(x: Tensor) -> Tensor:
    """Halves swapped, one with its sign changed."""
    first, second = x.chunk(2, -1)
    return torch.cat([-second, first], -1)


class Grouped(nn.Module):
    """Causal attention of four query heads to two key heads, with positions as rotations."""

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        self.size = width // 4
        self.query, self.out = nn.Linear(width, width, bias=False), nn.Linear(width, width, bias=False)
        self.key, self.value = (nn.Linear(width, width // 2, bias=False) for _ in range(2))
        rates = 1 / 100 ** (torch.arange(self.size // 2) / (self.size // 2))
        self.register_buffer("rates", rates)

    def heads(self, x: Tensor) -> Tensor:
        return x.view(*x.shape[:2], -1, self.size).transpose(1, 2)

    def rotated(self, q: Tensor, k: Tensor) -> tuple[Tensor, Tensor]:
        angles = torch.arange(q.shape[2])[:, None] * self.rates
        angles = torch.cat([angles, angles], -1)
        cos, sin = angles.cos(), angles.sin()
        return q * cos + turned(q) * sin, k * cos + turned(k) * sin

    def attend(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        k, v = (x.repeat_interleave(2, 1) for x in (k, v))
        scores = q @ k.transpose(2, 3) / self.size**0.5
        seen = torch.tril(torch.ones_like(scores[0, 0], dtype=torch.bool))
        return scores.masked_fill(~seen, float("-inf")).softmax(-1) @ v

    def forward(self, x: Tensor) -> Tensor:
        q, k = self.rotated(self.heads(self.query(x)), self.heads(self.key(x)))
        y = self.attend(q, k, self.heads(self.value(x)))
        return self.out(y.transpose(1, 2).flatten(2))


class TorchsGrouped(Grouped):
    """The same by scaled_dot_product_attention."""

    def attend(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        return F.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=True)


class OperatorGrouped(TorchsGrouped):
    """Rotated by the operator of ONNX."""

    def rotated(self, q: Tensor, k: Tensor) -> tuple[Tensor, Tensor]:
        angles = (torch.arange(q.shape[2])[:, None] * self.rates).expand(q.shape[0], -1, -1)
        cos, sin = angles.cos(), angles.sin()
        return tuple(torch.onnx.ops.rotary_embedding(x, cos, sin) for x in (q, k))


class RMS(nn.Module):
    """x over its root mean square, as language models write it."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(1 + 0.1 * torch.randn(width))

    def forward(self, x: Tensor) -> Tensor:
        return self.weight * x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6)


class CausalLM(nn.Module):
    """Norms before, gated SiLU, tied embeddings (Touvron et al. 2023); input (N, 10) int64 below 100."""

    attention: type[Grouped] = Grouped
    norm: type[nn.Module] = RMS

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        self.words = nn.Embedding(100, width)
        self.attentions = nn.ModuleList(self.attention(width) for _ in range(2))
        self.ups = nn.ModuleList(nn.Linear(width, 96, bias=False) for _ in range(2))
        self.downs = nn.ModuleList(nn.Linear(48, width, bias=False) for _ in range(2))
        self.norms = nn.ModuleList(self.norm(width) for _ in range(5))

    def forward(self, ids: Tensor) -> Tensor:
        x = self.words(ids)
        for i, attention in enumerate(self.attentions):
            x = x + attention(self.norms[2 * i](x))
            gate, value = self.ups[i](self.norms[2 * i + 1](x)).chunk(2, -1)
            x = x + self.downs[i](F.silu(gate) * value)
        return F.linear(self.norms[4](x), self.words.weight)


class CausalLMWithTorchsOwn(CausalLM):
    """With nn.RMSNorm and scaled_dot_product_attention."""

    attention, norm = TorchsGrouped, nn.RMSNorm


class RotaryByOperator(CausalLM):
    """With torch.onnx.ops.rotary_embedding."""

    attention, norm = OperatorGrouped, nn.RMSNorm


class Encoder(nn.Module):
    """Einsum with an ellipsis, padding (ids below 20) masked; input (N, 12) int64 below 100."""

    def __init__(self, width: int = 16) -> None:
        super().__init__()
        self.words, self.kinds = nn.Embedding(100, width), nn.Embedding(2, width)
        self.parts = nn.ModuleList(nn.Linear(width, width, bias=False) for _ in range(4))
        self.norm, self.head = RMS(width), nn.Linear(width, 3)
        self.near = nn.Parameter(torch.randn(4, 12, 12))

    def forward(self, ids: Tensor) -> Tensor:
        mask = ids >= 20
        x = self.words(ids) + self.kinds(torch.zeros_like(ids))
        y = self.norm(x)
        q, k, v = (part(y).unflatten(-1, (4, -1)).transpose(1, 2) for part in self.parts[:3])
        scores = torch.einsum("...qd,...kd->...qk", q, k) + self.near
        scores = scores + (~mask).float()[:, None, None] * torch.finfo(torch.float32).min
        y = torch.einsum("...qk,...kd->...qd", scores.softmax(-1), v)
        x = x + self.parts[3](y.transpose(1, 2).flatten(2))
        kept = mask.float()[..., None]
        return self.head((x * kept).sum(1) / kept.sum(1).clamp(min=1))


class Retention(nn.Module):
    """Causal without a softmax, fading with distance (Sun et al. 2023); input (N, 12) int64 below 100."""

    def __init__(self, width: int = 16) -> None:
        super().__init__()
        self.words = nn.Embedding(100, width)
        self.parts = nn.ModuleList(nn.Linear(width, width, bias=False) for _ in range(4))
        self.norm, self.head = nn.GroupNorm(4, width), nn.Linear(width, 100)
        apart = torch.arange(12)[:, None] - torch.arange(12)
        self.register_buffer("fade", 0.9 ** apart.abs().float())

    def forward(self, ids: Tensor) -> Tensor:
        x = self.words(ids)
        q, k, v = (part(x).unflatten(-1, (4, -1)).transpose(1, 2) for part in self.parts[:3])
        y = (torch.tril(q @ k.transpose(2, 3)) * self.fade) @ v
        y = self.norm(y.transpose(1, 2).reshape(-1, 16)).view_as(x)
        return self.head(x + self.parts[3](y * F.silu(x)))
