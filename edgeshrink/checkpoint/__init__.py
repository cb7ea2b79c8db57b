"""Bytes on disk to a torch network, safely: what file is this, whose format, which masks.

The content decides what a file is, never its name, and nothing stored in a file is ever run.

A container (safetensors, torch zip, ...) turns bytes into named tensors; a layout (PerforatedAI training
form, plain) says what the names mean. Each is one file, registered by its decorator in ``registry.py``.
"""

from edgeshrink.checkpoint.contents import CheckpointContents, LoadedCheckpoint
from edgeshrink.checkpoint.facts import LayerFacts
from edgeshrink.checkpoint.loading import load
from edgeshrink.checkpoint.reading import read
from edgeshrink.checkpoint.registry import sniff

__all__ = ["CheckpointContents", "LayerFacts", "LoadedCheckpoint", "load", "read", "sniff"]
