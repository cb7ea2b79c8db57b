"""Tensors sorted by what they mean, whatever the layout they came in."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from edgeshrink.errors import InputError

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Arranged", "Dendrites"]


@dataclass(frozen=True)
class Dendrites:
    """The dendrites of one layer.

    Attributes:
        branches: One dictionary per dendrite: name within the layer -> tensor.
        between: between[i - 1] is w_i, shape (i, C).
        top: Output weights, shape (D, C).
        channel_dim: Which dimension of the layer's output has C elements.
    """

    branches: tuple[dict[str, Tensor], ...]
    between: tuple[Tensor, ...]
    top: Tensor
    channel_dim: int

    def alive(self) -> tuple[bool, ...]:
        """Tell for each dendrite whether anything reads it: the output, or a later living dendrite."""
        count = len(self.branches)
        alive = [bool(row.any()) for row in self.top]
        for reader in range(count - 1, 0, -1):
            if alive[reader]:
                alive[:reader] = [
                    a or bool(w.any()) for a, w in zip(alive, self.between[reader - 1], strict=False)
                ]
        return tuple(alive)


@dataclass
class Arranged:
    """A checkpoint's tensors under the plain network's names, the dendrites apart.

    Attributes:
        plain: Name in the plain network -> tensor.
        dendrites: Layer path -> its dendrites; a layer with none left is plain.
        source: Name in ``plain``, or as ``DendriticLayer`` would call it -> name in the file.
        dropped: Rule -> number of tensors that were dropped.
        warnings: What the user should know, one sentence each.
    """

    plain: dict[str, Tensor] = field(default_factory=dict)
    dendrites: dict[str, Dendrites] = field(default_factory=dict)
    source: dict[str, str] = field(default_factory=dict)
    dropped: dict[str, int] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)

    def add(self, name: str, source: str, tensor: Tensor) -> None:
        """Take a plain tensor: its name in the plain network, and in the file.

        Raises:
            InputError: Another tensor of the file has that place already.
        """
        if name in self.plain:
            raise InputError(
                f"{self.source[name]} and {source} in the file are both the plain network's {name}",
                "Save the state_dict of one network alone, as PerforatedAI made it.",
            )
        self.plain[name], self.source[name] = tensor, source

    def drop(self, rule: str, count: int = 1) -> None:
        """Count what is dropped."""
        if count > 0:
            self.dropped[rule] = self.dropped.get(rule, 0) + count

    def keep_order(self, names: Iterable[str]) -> None:
        """Sort the plain tensors as ``names``, the file's, come."""
        order = {name: index for index, name in enumerate(names)}
        self.plain = dict(sorted(self.plain.items(), key=lambda pair: order[self.source[pair[0]]]))

    def everything(self) -> Iterator[tuple[str, Tensor]]:
        """All live tensors: the plain ones, and ``P.dendrites.<i>.*``, ``P.between.<i>``, ``P.top``."""
        yield from self.plain.items()
        for path, dendrites in self.dendrites.items():
            for index, branch in enumerate(dendrites.branches):
                yield from ((f"{path}.dendrites.{index}.{name}", tensor) for name, tensor in branch.items())
            yield from ((f"{path}.between.{i}", tensor) for i, tensor in enumerate(dendrites.between))
            yield f"{path}.top", dendrites.top
