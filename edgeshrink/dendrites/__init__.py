"""Torch modules with dendritic semantics: plain, traceable, usable for training."""

from edgeshrink.dendrites.activations import ACTIVATIONS, activation
from edgeshrink.dendrites.layer import DendriticLayer

__all__ = ["ACTIVATIONS", "DendriticLayer", "activation"]
