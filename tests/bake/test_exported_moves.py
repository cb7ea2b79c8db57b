"""Networks that move channels, as both of torch's exporters write them: dead channels leave all the way.

Each is built at a width of 8, two units of every space masked, and must come out at the size of the same
network built at a width of 6.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable

import onnx
import onnx_ir as ir
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from edgeshrink.inputs import InputSpec, random_inputs
from edgeshrink.trace import trace_module
from tests.bake.support import bake, parameters

SHAPE = (2, 3, 8, 8)


class ShuffleUnit(nn.Module):
    """Half of the channels pass, the others are convolved, and both are shuffled (Ma et al. 2018)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.width = width
        self.stem = nn.Conv2d(3, 2 * width, 3, padding=1)
        self.into = nn.Conv2d(width, width, 1)
        self.each = nn.Conv2d(width, width, 3, padding=1, groups=width)
        self.out = nn.Conv2d(width, width, 1)
        self.head = nn.Conv2d(2 * width, 4, 1)

    def forward(self, x: Tensor) -> Tensor:
        kept, x = self.stem(x).chunk(2, 1)
        x = torch.relu(self.out(self.each(torch.relu(self.into(x)))))
        x = torch.cat([kept, x], 1).view(-1, 2, self.width, 8, 8).transpose(1, 2)
        return self.head(x.reshape(-1, 2 * self.width, 8, 8))


class Upscaler(nn.Module):
    """Blocks of channels become positions, and positions channels again."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.wide = nn.Conv2d(3, 4 * width, 3, padding=1)
        self.middle = nn.Conv2d(width, width, 3, padding=1)
        self.head = nn.Conv2d(4 * width, 4, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = functional.pixel_shuffle(torch.relu(self.wide(x)), 2)
        return self.head(functional.pixel_unshuffle(torch.relu(self.middle(x)), 2))


class UNet(nn.Module):
    """One level: down, up by a transposed convolution, and joined."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.down = nn.Conv2d(3, width, 3, padding=1)
        self.deep = nn.Conv2d(width, width, 3, padding=1)
        self.up = nn.ConvTranspose2d(width, width, 2, stride=2)
        self.join = nn.Conv2d(2 * width, width, 3, padding=1)
        self.head = nn.Conv2d(width, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        skip = torch.relu(self.down(x))
        x = torch.relu(self.deep(functional.max_pool2d(skip, 2)))
        return self.head(torch.relu(self.join(torch.cat([skip, self.up(x)], 1))))


class YoloHead(nn.Module):
    """A split block, a level above it taken up and joined, an output at each."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 2 * width, 3, padding=1)
        self.inside = nn.Conv2d(width, width, 3, padding=1)
        self.mix = nn.Conv2d(3 * width, width, 1)
        self.lower = nn.Conv2d(width, width, 3, stride=2, padding=1)
        self.join = nn.Conv2d(2 * width, width, 1)
        self.heads = nn.ModuleList(nn.Conv2d(width, 5, 1) for _ in range(2))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        a, b = self.stem(x).split(self.stem.out_channels // 2, 1)
        x = functional.silu(self.mix(torch.cat([a, b, self.inside(b)], 1)))
        low = functional.silu(self.lower(x))
        up = functional.interpolate(low, scale_factor=2.0, mode="nearest")
        return self.heads[0](functional.silu(self.join(torch.cat([x, up], 1)))), self.heads[1](low)


class Excited(nn.Module):
    """An inverted residual block with a gate for each channel (Tan and Le 2019)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, width, 1)
        self.wide = nn.Conv2d(width, 2 * width, 1)
        self.each = nn.Conv2d(2 * width, 2 * width, 3, padding=1, groups=2 * width)
        self.squeeze = nn.Conv2d(2 * width, width, 1)
        self.excite = nn.Conv2d(width, 2 * width, 1)
        self.narrow = nn.Conv2d(2 * width, width, 1)
        self.head = nn.Conv2d(width, 4, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        y = functional.silu(self.each(functional.silu(self.wide(x))))
        gate = self.excite(functional.silu(self.squeeze(functional.adaptive_avg_pool2d(y, 1))))
        return self.head(x + self.narrow(y * torch.sigmoid(gate)))


class DenseBlock(nn.Module):
    """Every layer reads what all layers before it wrote."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Conv2d(3 + i * width, width, 3, padding=1) for i in range(3))
        self.head = nn.Conv2d(3 + 3 * width, 4, 1)

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = torch.cat([x, torch.relu(layer(x))], 1)
        return self.head(x)


class Aggregated(nn.Module):
    """A grouped convolution between two of one tap (Xie et al. 2017)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, width, 1)
        self.into = nn.Conv2d(width, 2 * width, 1)
        self.grouped = nn.Conv2d(2 * width, 2 * width, 3, padding=1, groups=2)
        self.out = nn.Conv2d(2 * width, width, 1)
        self.head = nn.Conv2d(width, 4, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        return self.head(x + self.out(torch.relu(self.grouped(torch.relu(self.into(x))))))


NETWORKS = (ShuffleUnit, Upscaler, UNet, YoloHead, Excited, DenseBlock, Aggregated)


def built(network: Callable[[int], nn.Module], width: int) -> nn.Module:
    torch.manual_seed(0)
    return network(width).eval()


def masked(network: nn.Module) -> nn.Module:
    """In every eight units of a layer, or of a block's channels, the second and the seventh are zero."""
    with torch.no_grad():
        for name, layer in network.named_modules():
            if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d) and not name.startswith("head"):
                units = torch.arange(layer.out_channels)
                units = units // 4 if name == "wide" and isinstance(network, Upscaler) else units
                dead = (units % 8 == 1) | (units % 8 == 6)
                rows = layer.weight.transpose(0, 1) if isinstance(layer, nn.ConvTranspose2d) else layer.weight
                rows[dead] = 0
                layer.bias[dead] = 0
    return network


def exported(network: nn.Module, exporter: str) -> ir.Model:
    if exporter == "dynamo":
        return trace_module(network, [InputSpec(None, SHAPE, "float32")]).model
    file = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(network, (torch.zeros(SHAPE),), file, dynamo=False, opset_version=17)
    return ir.from_proto(onnx.shape_inference.infer_shapes(onnx.load_from_string(file.getvalue())))


@pytest.mark.parametrize("exporter", ["dynamo", "legacy"])
@pytest.mark.parametrize("network", NETWORKS)
def test_dead_channels_leave_all_the_way(network: Callable[[int], nn.Module], exporter: str):
    before = exported(masked(built(network, 8)), exporter)
    after = bake(before, random_inputs(before, 8))
    ideal = exported(built(network, 6), exporter)
    assert parameters(after) == parameters(bake(ideal, random_inputs(ideal, 2)))
