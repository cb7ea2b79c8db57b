"""Bytes on disk to a torch network, safely: what file is this, whose format, which masks.

The content decides what a file is, never its name, and nothing stored in a file is ever run.

A container (safetensors, torch zip, ...) turns bytes into named tensors; a layout (PerforatedAI training
form, plain) says what the names mean. Each is one file, registered by its decorator in ``registry.py``.

``reading.py`` puts the steps in order from a file to its contents, ``loading.py`` from there to the network:

    containers/  kinds of files; ``pickles/`` and ``programs/`` are what two families of them hold
    layouts/     what names mean
    masks/       masks multiplied into the parameters they mask
    facts/       what ``inspect`` says of each layer
    network/     the user's own network: made, compared with the file, given dendrites and weights
"""

from edgeshrink.checkpoint.containers.stored import Opening
from edgeshrink.checkpoint.contents import CheckpointContents, LoadedCheckpoint
from edgeshrink.checkpoint.facts.layers import LayerFacts
from edgeshrink.checkpoint.loading import build, load
from edgeshrink.checkpoint.reading import Reading, read, read_file
from edgeshrink.checkpoint.registry import sniff

__all__ = [
    "CheckpointContents",
    "LayerFacts",
    "LoadedCheckpoint",
    "Opening",
    "Reading",
    "build",
    "load",
    "read",
    "read_file",
    "sniff",
]
