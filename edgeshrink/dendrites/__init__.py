"""Torch modules with dendritic semantics: plain, traceable, usable for training."""

from edgeshrink.dendrites.activations import ACTIVATIONS, activation
from edgeshrink.dendrites.gate import AdaptiveGate
from edgeshrink.dendrites.layer import DendriticLayer
from edgeshrink.dendrites.masked_conv import MaskedGroupedConv1d, MaskedGroupedConv2d, MaskedGroupedConv3d

__all__ = [
    "ACTIVATIONS",
    "AdaptiveGate",
    "DendriticLayer",
    "MaskedGroupedConv1d",
    "MaskedGroupedConv2d",
    "MaskedGroupedConv3d",
    "activation",
]
