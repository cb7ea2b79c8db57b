"""What a container is asked and what it answers, whatever the file's kind."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from edgeshrink.inputs import InputSpec

if TYPE_CHECKING:
    from torch import Tensor, nn

__all__ = ["Opening", "Stored"]


@dataclass(frozen=True)
class Opening:
    """What the user gives and allows for opening a file.

    Attributes:
        arch: ``MODULE:FACTORY`` or ``MODULE``; a pickled network's own classes are looked up there alone.
        trust_pickle: Whether a pickle may import what it names and run it.
    """

    arch: str | None = None
    trust_pickle: bool = False


@dataclass(frozen=True)
class Stored:
    """What a file holds, before anything is made of it.

    Attributes:
        tensors: Name -> tensor, as stored.
        network: The network itself, where the file holds it: plain, so PerforatedAI's modules are replaced by
            the layers they wrap, while ``tensors`` keep the names of the file.
        inputs: The network's inputs, where the file tells them.
        warnings: Each one sentence for the user.
        network_problem: Why the network that the file holds could not be made, to follow "..., but".
        complete: Whether ``network`` computes all there is, masks and dendrites included, so that ``tensors``
            are its own state_dict: their names are taken as they are, whatever layout they look like.
    """

    tensors: dict[str, Tensor]
    network: nn.Module | None = None
    inputs: tuple[InputSpec, ...] = ()
    warnings: tuple[str, ...] = ()
    network_problem: str | None = None
    complete: bool = False
