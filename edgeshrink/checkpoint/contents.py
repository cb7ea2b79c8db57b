"""What a checkpoint is found to hold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor, nn

__all__ = ["CheckpointContents", "LayerFacts", "LoadedCheckpoint"]


@dataclass(frozen=True)
class LayerFacts:
    """One layer as its tensors show it; a dendritic layer or block is one, dendrites and all.

    Attributes:
        name: Path of the layer in the plain network.
        kind: "conv2d", "linear", "batch norm", "gru", ...; a block joins its parts: "conv2d + batch norm".
        shape: Shape of the soma's weight.
        parameters: Trained elements that the network uses, masked ones included, training scaffolding not.
        dendrites: How many dendrites the layer has.
        dead_dendrites: How many of them nothing reads (zero output weights, read by no living dendrite).
        masked: Elements that masks set to zero.
        zeros: Zero elements of weights and masked parameters, after masking.
        zero_units: Output units whose weights are all zero, in the soma and in every living dendrite.
    """

    name: str
    kind: str
    shape: tuple[int, ...]
    parameters: int
    dendrites: int
    dead_dendrites: int
    masked: int
    zeros: int
    zero_units: int


@dataclass(frozen=True)
class CheckpointContents:
    """What a file holds, as far as its tensors tell without the network's code.

    Attributes:
        name: The file's name.
        sha256: Of the file's bytes, in hex.
        format: For people: "PerforatedAI training form (safetensors)".
        layers: In the file's order.
        dropped: Training scaffolding left behind: rule -> number of tensors.
        activation: The dendrites' activation; None where there are no dendrites.
        activation_source: "flag", "config file NAME", "default", or "no dendrites".
        warnings: Each one sentence for the user.
        tensors: Plain name -> tensor, masks applied. A dendritic layer P adds ``P.dendrites.<i>.<name>``,
            ``P.between.<i>`` (i + 1, C) and ``P.top`` (D, C); see ``edgeshrink.dendrites.DendriticLayer``.
    """

    name: str
    sha256: str
    format: str
    layers: tuple[LayerFacts, ...]
    dropped: dict[str, int]
    activation: str | None
    activation_source: str
    warnings: tuple[str, ...]
    tensors: dict[str, Tensor]


@dataclass(frozen=True)
class LoadedCheckpoint:
    """A network ready to trace: eval mode, masks applied, dendrites in place."""

    module: nn.Module
    contents: CheckpointContents
