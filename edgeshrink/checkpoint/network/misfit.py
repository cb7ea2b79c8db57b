"""How a file's names and shapes differ from a network's."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from edgeshrink.checkpoint.network.tensor_names import layer_finder, module_of

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Misfit"]


@dataclass(frozen=True)
class Misfit:
    """How a file and a network differ, all under the network's names.

    Attributes:
        missing: In the network and not in the file -> the network's.
        unexpected: In the file and not in the network -> the file's.
        shapes: In both with different shapes -> the file's, the network's.
        given: All names of the file.
        wanted: All names of the network, in its order.
        dendritic: Paths of the network's layers that have dendrites.
    """

    missing: Mapping[str, Tensor]
    unexpected: Mapping[str, Tensor]
    shapes: Mapping[str, tuple[Tensor, Tensor]]
    given: Collection[str]
    wanted: Collection[str]
    dendritic: Collection[str]

    def layer_of(self, name: str) -> tuple[str, str]:
        """Split a name into its layer's and the rest; what is inside a dendritic layer belongs to it."""
        if path := self._dendritic_layer(name):
            return path, name.removeprefix(f"{path}.").removeprefix("soma.")
        return module_of(name)

    @cached_property
    def _dendritic_layer(self) -> Callable[[str], str | None]:
        return layer_finder(self.dendritic)
