"""Residual networks (He et al. 2015), as in tests/models.py, their layers placed in spaces."""

from __future__ import annotations

from torch import nn

from tests.models import BasicBlock, Bottleneck, ResNet
from tests.networks.parts import Widths, in_space

__all__ = ["resnet18", "resnet50"]


def resnet18(w: Widths) -> nn.Module:
    """Two convolutions a block; input (N, 3, H, W)."""
    return _resnet(w, BasicBlock, (2, 2, 2, 2))


def resnet50(w: Widths) -> nn.Module:
    """Three convolutions a block; input (N, 3, H, W)."""
    return _resnet(w, Bottleneck, (3, 4, 6, 3) if w.full else (2, 2, 1, 1))


def _resnet(w: Widths, block: type[BasicBlock] | type[Bottleneck], depths: tuple[int, ...]) -> nn.Module:
    """The inner width of a block and the stream of its stage shrink by the same share."""
    width = w("width", 8, 64)
    network = ResNet(block, depths, classes=10, width=width)
    in_space(network.conv1, "width")
    in_space(network.bn1, "width")
    for stage in range(4):
        inner = f"stage{stage}" if stage or block is Bottleneck else "width"
        stream = inner if block is BasicBlock else f"stream{stage}"
        for unit in getattr(network, f"layer{stage + 1}"):
            last = 3 if block is Bottleneck else 2
            for index in range(1, last + 1):
                in_space(getattr(unit, f"conv{index}"), stream if index == last else inner)
                in_space(getattr(unit, f"bn{index}"), stream if index == last else inner)
            for layer in unit.downsample.children():
                in_space(layer, stream)
    return network
