"""What a checkpoint is found to hold."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from edgeshrink.checkpoint.facts.layers import LayerFacts, layer_facts
from edgeshrink.checkpoint.layouts.arranged import Arranged
from edgeshrink.digest import sha256_of
from edgeshrink.inputs import InputSpec

if TYPE_CHECKING:
    from torch import Tensor, nn

__all__ = ["CheckpointContents", "LoadedCheckpoint"]


@dataclass(frozen=True)
class CheckpointContents:
    """What a file holds, as far as its tensors tell without the network's code.

    Attributes:
        path: The file.
        format: For people: "PerforatedAI training form (safetensors)".
        dropped: Training scaffolding that was not loaded: rule -> number of tensors.
        activation: The dendrites' activation; None where there are no dendrites.
        activation_source: "flag", "config file NAME", "default", or "no dendrites".
        warnings: Each one sentence for the user.
        holds_network: Whether the file holds the network too, so that no factory is needed.
        inputs: The network's inputs, where the file tells them.
    """

    path: Path
    format: str
    dropped: dict[str, int]
    activation: str | None
    activation_source: str
    warnings: tuple[str, ...]
    holds_network: bool
    inputs: tuple[InputSpec, ...]
    _arranged: Arranged = field(repr=False)
    _masked: dict[str, int] = field(repr=False)
    _kinds: dict[str, str] = field(repr=False, default_factory=dict)

    @property
    def name(self) -> str:
        """The file's name."""
        return self.path.name

    @cached_property
    def sha256(self) -> str:
        """Of the file's bytes, in hex."""
        return sha256_of(self.path)

    @cached_property
    def layers(self) -> tuple[LayerFacts, ...]:
        """Every layer, in the network's order where a network was given, else in the file's."""
        return layer_facts(self._arranged, self._masked, self._kinds)

    @cached_property
    def tensors(self) -> dict[str, Tensor]:
        """Plain name -> tensor, masks applied.

        A dendritic layer P adds ``P.dendrites.<i>.<name>``, ``P.between.<i>`` of shape (i + 1, C) and
        ``P.top`` of shape (D, C); see ``edgeshrink.dendrites.DendriticLayer``.
        """
        return dict(self._arranged.everything())


@dataclass(frozen=True)
class LoadedCheckpoint:
    """A network ready to trace: eval mode, masks applied, dendrites in place.

    Attributes:
        module: The network.
        contents: What the file held.
    """

    module: nn.Module
    contents: CheckpointContents
