"""Sound: waveforms, spectrograms made on the way, and recurrent keyword spotters."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = [
    "FourierMixer",
    "GatedAudio",
    "KeywordSpotter",
    "LogMelByConvolution",
    "LogMelByFourier",
    "Waveform",
]


class Waveform(nn.Module):
    """Convolutions of one dimension from the samples on (Dai et al. 2016, M5); input (N, 1, 1600)."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for cin, cout, size, stride in ((1, 8, 80, 4), (8, 12, 3, 1), (12, 16, 3, 1)):
            layers += [nn.Conv1d(cin, cout, size, stride), nn.BatchNorm1d(cout), nn.ReLU(), nn.MaxPool1d(4)]
        self.body = nn.Sequential(*layers)
        self.head = nn.Linear(16, 6)

    def forward(self, sound: Tensor) -> Tensor:
        return self.head(F.avg_pool1d(x := self.body(sound), x.shape[-1]).squeeze(-1))


def mel_filters(bins: int, bands: int) -> Tensor:
    """Triangles that grow wider with frequency, (bands, bins)."""
    edges = (torch.linspace(0, math.log(bins), bands + 2)).exp() - 1
    at = torch.arange(bins, dtype=torch.float32)
    rise = (at - edges[:-2, None]) / (edges[1:-1] - edges[:-2] + 1e-3)[:, None]
    fall = (edges[2:, None] - at) / (edges[2:] - edges[1:-1] + 1e-3)[:, None]
    return torch.minimum(rise, fall).clamp(min=0) + 1e-3


class Classifier(nn.Module):
    """Convolutions over (N, 1, bands, time)."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(
            *(nn.Conv2d(1, 8, 3, 2, 1), nn.BatchNorm2d(8), nn.ReLU()),
            *(nn.Conv2d(8, 8, 3, 1, 1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 6)),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.body(x)


class LogMelByFourier(nn.Module):
    """torch.stft in forward, with a window made there; input (N, 1024)."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mel", mel_filters(65, 16))
        self.head = Classifier()

    def forward(self, sound: Tensor) -> Tensor:
        window = torch.hann_window(128, device=sound.device)
        spectrum = torch.stft(sound, 128, 64, window=window, center=False, return_complex=True)
        power = torch.view_as_real(spectrum).pow(2).sum(-1)
        return self.head(torch.log(self.mel @ power + 1e-3)[:, None])


class LogMelByConvolution(nn.Module):
    """The same front end, its sines and cosines as a convolution; input (N, 1024)."""

    def __init__(self) -> None:
        super().__init__()
        turns = torch.outer(torch.arange(65), torch.arange(128)) * (2 * math.pi / 128)
        waves = torch.cat([turns.cos(), turns.sin()]) * torch.hann_window(128)
        self.register_buffer("waves", waves[:, None])
        self.register_buffer("mel", mel_filters(65, 16))
        self.head = Classifier()

    def forward(self, sound: Tensor) -> Tensor:
        padded = F.pad(sound[:, None], (64, 64), mode="reflect")
        real, imaginary = F.conv1d(padded, self.waves, stride=64).chunk(2, 1)
        mel = self.mel @ (real**2 + imaginary**2)
        level = 10 * torch.log10(mel.clamp(min=1e-3))
        mean, spread = level.mean((1, 2), keepdim=True), level.std((1, 2), keepdim=True)
        return self.head(((level - mean) / (spread + 1e-3))[:, None])


class KeywordSpotter(nn.Module):
    """A convolution, a GRU both ways, and attention over time (de Andrade et al. 2018); input (N, 20, 16)."""

    def __init__(self) -> None:
        super().__init__()
        self.front = nn.Sequential(nn.Conv2d(1, 4, (5, 3), (2, 1), (2, 1)), nn.BatchNorm2d(4), nn.ReLU())
        self.gru = nn.GRU(64, 12, num_layers=2, batch_first=True, bidirectional=True)
        self.query = nn.Linear(24, 24)
        self.head = nn.Sequential(nn.Linear(24, 16), nn.ReLU(), nn.Linear(16, 7))
        for weight in self.gru.parameters():
            nn.init.normal_(weight, std=0.5)  # fresh ones hardly tell one sound from another

    def forward(self, mel: Tensor) -> Tensor:
        x = self.front(mel[:, None])
        x, _ = self.gru(x.permute(0, 2, 1, 3).flatten(2))
        weights = torch.softmax(x @ self.query(x[:, x.shape[1] // 2])[:, :, None] / 5, 1)
        return F.log_softmax(self.head((weights * x).sum(1)), -1)


class GatedAudio(nn.Module):
    """Dilated causal convolutions with gates and skips (van den Oord et al. 2016); input (N, 4, 64)."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv1d(4, 8, 1)
        self.mixed = nn.ModuleList(nn.Conv1d(8, 16, 2, dilation=2**i) for i in range(3))
        self.skips = nn.ModuleList(nn.Conv1d(8, 8, 1) for _ in range(3))
        self.last = nn.Conv1d(8, 5, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.first(x)
        told = torch.zeros_like(x)
        for i, (mixed, skip) in enumerate(zip(self.mixed, self.skips, strict=True)):
            y = F.glu(mixed(F.pad(x, (2**i, 0))), 1)
            told, x = told + skip(y), x + y
        return self.last(F.leaky_relu(told))


class FourierMixer(nn.Module):
    """Positions and features mixed by a Fourier transform in place of attention (Lee-Thorp et al. 2021)."""

    def __init__(self, width: int = 16) -> None:
        super().__init__()
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(2))
        self.mlp = nn.Sequential(nn.Linear(width, 32), nn.GELU(), nn.Linear(32, width))
        self.head = nn.Linear(width, 4)

    def forward(self, x: Tensor) -> Tensor:
        mixed = torch.fft.fft(torch.fft.fft(x, dim=-1), dim=-2)
        x = self.norms[0](x + torch.view_as_real(mixed)[..., 0])
        return self.head(self.norms[1](x + self.mlp(x)).mean(1))


class Frames(nn.Module):
    """Frames that fade in and out, each looked at for itself; input (N, 1024)."""

    def __init__(self) -> None:
        super().__init__()
        self.look, self.head = nn.Linear(128, 8), nn.Linear(64, 5)

    def forward(self, sound: Tensor) -> Tensor:
        frames = sound.view(-1, 8, 128) * torch.hann_window(128, device=sound.device)
        return self.head(torch.tanh(self.look(frames)).flatten(1))
