"""All models of the zoo by name: how each is built, what it takes, and which exporter writes it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import torch
from torch import nn

from edgeshrink.inputs import InputSpec
from tests.lower.zoo import audio, detection, language, pictures, tables
from tests.models import settled
from tests.networks.catalogue import FAMILIES
from tests.networks.parts import Widths

__all__ = ["MODELS", "Feed", "Model", "Road"]

Road = Literal["traced", "opset 23", "open batch", "not optimized", "legacy"]
"""How torch writes it: by edgeshrink's own export; at its newest opset; that with a batch size left open;
without the optimizer that runs by default; by the older exporter at the newest opset that one has."""

Feed = dict[str, np.ndarray]


@dataclass(frozen=True)
class Model:
    """One model.

    Attributes:
        builder: Makes it.
        inputs: What it takes, in forward's order.
        road: How it becomes ONNX.
        below: Integer inputs are drawn from 0 to here.
        slow: Whether it is left out of the quick tests.
        refused: Errors of lint that are right: the rule's id, and why TensorRT cannot take it.
    """

    builder: Callable[[], nn.Module]
    inputs: tuple[InputSpec, ...]
    road: Road = "traced"
    below: int = 100
    slow: bool = False
    refused: Mapping[str, str] = field(default_factory=dict)

    def build(self) -> nn.Module:
        """One in eval mode, always the same, as if trained: signals neither die out nor explode."""
        torch.manual_seed(0)
        return settled(self.builder())

    def feeds(self, names: Sequence[str], count: int) -> list[Feed]:
        """Random inputs, the second half of them smooth and of one sign, as real ones are."""
        draw = np.random.default_rng(0)
        named = dict(zip(names, self.inputs, strict=True))
        return [
            {name: self._drawn(spec, draw, real=index >= count // 2) for name, spec in named.items()}
            for index in range(count)
        ]

    def _drawn(self, spec: InputSpec, draw: np.random.Generator, *, real: bool) -> np.ndarray:
        if spec.dtype.startswith("int"):
            return draw.integers(0, self.below, spec.shape).astype(spec.dtype)
        noise = draw.standard_normal(spec.shape)
        return (np.clip(noise.cumsum(axis=-1) / 3, 0, 1) if real else noise).astype(spec.dtype)


def takes(*shape: int, name: str = "x", dtype: str = "float32") -> InputSpec:
    return InputSpec(name, shape, dtype)


def image(side: int = 32, wide: int = 0, *, name: str = "x", batch: int = 1) -> InputSpec:
    return takes(batch, 3, side, wide or side, name=name)


PICTURE = image()
IDS = takes(2, 10, name="ids", dtype="int64")
WORDS = takes(2, 12, name="ids", dtype="int64")
SOUND = takes(2, 1024, name="sound")
POINTS = takes(2, 3, 20, name="points")
READINGS = (takes(3, 6, name="reading"), takes(3, 6, name="age", dtype="int32"))
CLICKS = (
    takes(3, name="user", dtype="int64"),
    takes(3, 5, name="words", dtype="int64"),
    takes(3, name="day", dtype="int64"),
)

TRACED: dict[str, Model] = {
    "ssd": Model(detection.SSD, (image(50, name="image"),)),
    "detr": Model(detection.DETR, (image(32, 40, name="image"),)),
    "pose": Model(detection.Pose, (image(name="image", batch=2),)),
    "peaks": Model(detection.Peaks, (image(name="image"),)),
    "waveform": Model(audio.Waveform, (takes(2, 1, 1600, name="sound"),)),
    "gated_audio": Model(audio.GatedAudio, (takes(1, 4, 64),)),
    "log_mel": Model(audio.LogMelByConvolution, (SOUND,)),
    "log_mel_stft": Model(audio.LogMelByFourier, (SOUND,)),
    "fourier_mixer": Model(audio.FourierMixer, (takes(2, 12, 16),)),
    "keyword_spotter": Model(audio.KeywordSpotter, (takes(2, 20, 16, name="mel"),)),
    "unet_three_ways_up": Model(pictures.UNet, (image(32, 48),)),
    "convnext": Model(pictures.ConvNeXt, (PICTURE,)),
    "swin": Model(pictures.Swin, (PICTURE,)),
    "segnet": Model(
        pictures.SegNet,
        (image(16),),
        refused={"pool-indices": "TensorRT's pooling gives no indices of its maxima"},
    ),
    "spatial_transformer": Model(pictures.SpatialTransformer, (takes(2, 1, 20, 20),)),
    "globe": Model(pictures.Globe, (takes(1, 2, 12, 24),)),
    "style": Model(pictures.Style, (image(24),)),
    "super_resolution": Model(pictures.SuperResolution, (image(16),)),
    "thumbnail": Model(pictures.Thumbnail, (image(30, 40),)),
    "activations": Model(pictures.Activations, (image(16),)),
    "context": Model(pictures.Context, (image(24),)),
    "overlaps": Model(pictures.Overlaps, (image(16),)),
    "warp": Model(pictures.Warp, (image(16),)),
    "causal_lm": Model(language.CausalLM, (IDS,)),
    "encoder": Model(language.Encoder, (WORDS,)),
    "retention": Model(language.Retention, (WORDS,)),
    "sensors": Model(tables.Sensors, READINGS),
    "point_cloud": Model(tables.PointCloud, (takes(1, 3, 20, name="points"),)),
    "messages": Model(tables.Messages, (takes(10, 6, name="nodes"),)),
    "votes": Model(tables.Votes, (POINTS,)),
    "grid": Model(tables.Grid, (takes(10, 6, name="points"),)),
}
"""As edgeshrink exports them itself."""

BROUGHT: dict[str, Model] = {
    "rotary_opset_23": Model(language.RotaryByOperator, (IDS,), "opset 23"),
    "activations_opset_23": Model(pictures.Activations, (image(16),), "opset 23"),
    "warp_opset_23": Model(pictures.Warp, (image(16),), "opset 23", slow=True),
    "causal_lm_opset_23": Model(language.CausalLMWithTorchsOwn, (IDS,), "opset 23", slow=True),
    "detr_opset_23": Model(detection.DETR, (image(32, 40, name="image"),), "opset 23", slow=True),
    "convnext_opset_23": Model(pictures.ConvNeXt, (PICTURE,), "opset 23", slow=True),
    "swin_open_batch": Model(pictures.Swin, (image(batch=2),), "open batch", slow=True),
    "activations_open_batch": Model(pictures.Activations, (image(16, batch=2),), "open batch", slow=True),
    "gated_audio_not_optimized": Model(audio.GatedAudio, (takes(1, 4, 64),), "not optimized"),
    "keyword_spotter_not_optimized": Model(
        audio.KeywordSpotter, (takes(2, 20, 16, name="mel"),), "not optimized"
    ),
    "frames_not_optimized": Model(audio.Frames, (SOUND,), "not optimized"),
    "recommender_legacy": Model(tables.Recommender, CLICKS, "legacy", below=40),
    "spatial_transformer_legacy": Model(pictures.SpatialTransformer, (takes(2, 1, 20, 20),), "legacy"),
    "encoder_legacy": Model(language.Encoder, (WORDS,), "legacy"),
}
"""As users export them themselves, and bring an .onnx file."""


def of_family(name: str) -> Model:
    """One of the networks that baking is tested with; the quick ones have what no other model here has."""
    family = FAMILIES[name]
    quick = name in ("mobilenet", "vit", "two_inputs")
    return Model(lambda: family.build(Widths()), family.inputs, slow=not quick)


MODELS: dict[str, Model] = TRACED | BROUGHT | {name: of_family(name) for name in FAMILIES}
"""Every model."""
