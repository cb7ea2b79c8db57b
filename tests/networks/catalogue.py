"""All networks by name: how each is built, and what it takes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from edgeshrink.inputs import InputSpec
from tests.models import settled
from tests.networks import (
    convolutional,
    dendritic,
    detector,
    mobile,
    recurrent,
    resnet,
    transformers,
    two_inputs,
)
from tests.networks.parts import Builder, Widths

__all__ = ["FAMILIES", "Family"]

IMAGE = (InputSpec(None, (2, 3, 32, 32), "float32"),)
SEQUENCE = (InputSpec(None, (2, 10, 6), "float32"),)
TOKENS = (InputSpec(None, (2, 12), "int64"),)
BOTH = (InputSpec("image", (2, 3, 16, 16), "float32"), InputSpec("state", (2, 5), "float32"))


@dataclass(frozen=True)
class Family:
    """A kind of network.

    Attributes:
        builder: Makes one at the widths given.
        inputs: What it takes.
        bounded: Whether spaces can be made smaller by hand, so that an ideal is defined.
    """

    builder: Builder
    inputs: tuple[InputSpec, ...]
    bounded: bool = True

    def build(self, widths: Widths) -> nn.Module:
        """One in eval mode, always the same, as if trained: signals neither die out nor explode."""
        torch.manual_seed(0)
        network = settled(self.builder(widths))
        for layer in network.modules():
            if isinstance(layer, nn.Conv2d | nn.Linear):
                nn.init.kaiming_normal_(layer.weight)
        return network

    def feeds(self, names: list[str], count: int) -> list[dict[str, np.ndarray]]:
        """Random inputs, and from the second half on ones that look real: smooth, of one sign, with gaps."""
        draw = np.random.default_rng(0)
        return [
            {
                name: _drawn(spec, draw, real=index >= count // 2)
                for name, spec in zip(names, self.inputs, strict=True)
            }
            for index in range(count)
        ]


def _drawn(spec: InputSpec, draw: np.random.Generator, *, real: bool) -> np.ndarray:
    if spec.dtype == "int64":
        ids = draw.integers(0, 100, spec.shape)
        return np.where(np.arange(spec.shape[-1]) < 7, ids, 0) if real else ids
    noise = draw.standard_normal(spec.shape)
    if real:
        noise = np.clip(noise.cumsum(axis=-1) / 3, 0, 1)
    return noise.astype(spec.dtype)


FAMILIES: dict[str, Family] = {
    "resnet18": Family(resnet.resnet18, IMAGE),
    "resnet50": Family(resnet.resnet50, IMAGE),
    "mobilenet": Family(mobile.mobilenet, IMAGE),
    "vgg16": Family(convolutional.vgg16, IMAGE),
    "densenet": Family(convolutional.densenet, IMAGE),
    "efficientnet": Family(mobile.efficientnet, IMAGE),
    "shufflenet": Family(mobile.shufflenet, IMAGE),
    "unet": Family(convolutional.unet, IMAGE),
    "detector": Family(detector.detector, IMAGE),
    "vit": Family(transformers.vit, IMAGE),
    "bert": Family(transformers.bert, TOKENS),
    "decoder": Family(transformers.decoder, TOKENS),
    "lstm": Family(recurrent.lstm, SEQUENCE),
    "gru": Family(recurrent.gru, SEQUENCE),
    "bidirectional_lstm": Family(recurrent.bidirectional_lstm, SEQUENCE),
    "bidirectional_gru": Family(recurrent.bidirectional_gru, SEQUENCE),
    "two_inputs": Family(two_inputs.two_inputs, BOTH),
    "dendritic_resnet18": Family(dendritic.dendritic_resnet18, IMAGE),
    "dendritic_vgg16": Family(dendritic.dendritic_vgg16, IMAGE),
    "dendritic_lstm": Family(dendritic.dendritic_lstm, SEQUENCE, bounded=False),
}
