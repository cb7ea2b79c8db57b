"""What tensors tell about the layers they belong to, without the network's code."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from edgeshrink.checkpoint.facts.kinds import UNITS, kept_filters, kind_of, weight_of
from edgeshrink.checkpoint.facts.notes import note
from edgeshrink.checkpoint.facts.zeros import Zeros, count_zeros, masked_filters_out, zeros_in
from edgeshrink.checkpoint.network.tensor_names import layer_finder, module_of

if TYPE_CHECKING:
    from torch import Tensor

    from edgeshrink.checkpoint.layouts.arranged import Arranged, Dendrites

__all__ = ["LayerFacts", "layer_facts"]

_NOT_TRAINED = ("running_mean", "running_var", "num_batches_tracked", "threshold", "0.mask", "0._u", "0._v")


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
        masked: Elements that masks set to zero, learnable masks included.
        zeros: Zero elements of weights and masked parameters, after masking.
        zero_units: Output units whose weights are all zero, in the soma and in every living dendrite.
        groups: Into how many parts, each with inputs and outputs of its own, the zeros of the soma's weight
            divide it; 1 where they do not. Of convolutions and linear layers.
        threshold: Of a learnable mask: a filter is kept iff its mask is greater. None without one.
        note: What baking will do with the layer as far as its tensors tell, and why not more; may be empty.
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
    groups: int
    threshold: float | None
    note: str


@dataclass(frozen=True)
class _Piece:
    """The tensors of one module, in the soma or in one dendrite.

    Attributes:
        tensors: Name within the module -> tensor.
        masked: The same names -> elements that a mask of the file set to zero; only where there is a mask.
        told: Its kind, where the network tells it.
    """

    tensors: dict[str, Tensor]
    masked: dict[str, int]
    told: str | None = None

    @property
    def kind(self) -> str:
        """What the network says, or else what its tensors do."""
        return self.told or kind_of(self.tensors)

    def used(self, name: str) -> Tensor:
        """A tensor as it is computed with: a learnable mask applied."""
        return masked_filters_out(self.tensors).get(name, self.tensors[name])

    def count_masked(self) -> int:
        """Count the elements that masks set to zero."""
        kept = kept_filters(self.tensors)
        if kept is None:
            return sum(self.masked.values())
        out = int((~kept).sum())
        left = masked_filters_out(self.tensors)
        return sum(out * (tensor.numel() // len(kept)) for tensor in left.values() if len(kept))

    def count_zeros(self) -> int:
        """Count the zero elements of weights and masked parameters."""
        left = masked_filters_out(self.tensors)
        counted = (
            left.get(name, tensor)
            for name, tensor in self.tensors.items()
            if tensor.dim() >= 2 or name in left or self.masked.get(name)
        )
        return sum(map(zeros_in, counted))

    def count_parameters(self) -> int:
        """Count the trained elements."""
        return sum(t.numel() for name, t in self.tensors.items() if not name.endswith(_NOT_TRAINED))


def layer_facts(
    arranged: Arranged, masked: Mapping[str, int], kinds: Mapping[str, str]
) -> tuple[LayerFacts, ...]:
    """Describe every layer, in the file's order.

    Args:
        arranged: The checkpoint's tensors, masks applied.
        masked: Name in the file -> elements that a mask set to zero.
        kinds: Module -> its kind, where the network tells what its tensors do not.
    """
    dendritic = layer_finder(arranged.dendrites)
    layers: dict[str, dict[str, _Piece]] = {}
    for name, tensor in arranged.plain.items():
        module, parameter = module_of(name)
        layer = dendritic(name) or module
        pieces = layers.setdefault(layer, {})
        _add(pieces, module, parameter, tensor, masked.get(arranged.source[name]), kinds.get(module))
    return tuple(
        _facts(layer, pieces, arranged.dendrites.get(layer), arranged, masked)
        for layer, pieces in layers.items()
    )


def _add(
    pieces: dict[str, _Piece],
    module: str,
    parameter: str,
    tensor: Tensor,
    masked: int | None,
    told: str | None = None,
) -> None:
    piece = pieces.setdefault(module, _Piece({}, {}, told))
    piece.tensors[parameter] = tensor
    if masked is not None:
        piece.masked[parameter] = masked


def _branches(
    layer: str, dendrites: Dendrites, arranged: Arranged, masked: Mapping[str, int]
) -> Iterator[dict[str, _Piece]]:
    """The modules of each dendrite, by their path below the layer."""
    for index, branch in enumerate(dendrites.branches):
        pieces: dict[str, _Piece] = {}
        for name, tensor in branch.items():
            source = arranged.source[f"{layer}.dendrites.{index}.{name}"]
            _add(pieces, *module_of(name), tensor, masked.get(source))
        yield pieces


def _facts(
    layer: str,
    soma: dict[str, _Piece],
    dendrites: Dendrites | None,
    arranged: Arranged,
    masked: Mapping[str, int],
) -> LayerFacts:
    alive = dendrites.alive() if dendrites else ()
    branches = list(_branches(layer, dendrites, arranged, masked)) if dendrites else []
    pieces = [*soma.values(), *(piece for branch in branches for piece in branch.values())]
    mixing = (dendrites.top, *dendrites.between) if dendrites else ()
    living = [branch for branch, lives in zip(branches, alive, strict=True) if lives]
    kind = " + ".join(dict.fromkeys(piece.kind for piece in soma.values()))
    parameters = sum(piece.count_parameters() for piece in pieces) + sum(t.numel() for t in mixing)
    zeros = sum(piece.count_zeros() for piece in pieces)
    in_weight = _zeros_of_weight(layer, soma, living)
    threshold = next((t for t in map(_threshold, pieces) if t is not None), None)
    return LayerFacts(
        name=layer,
        kind=kind,
        shape=_shape(soma),
        parameters=parameters,
        dendrites=len(alive),
        dead_dendrites=alive.count(False),
        masked=sum(piece.count_masked() for piece in pieces),
        zeros=zeros,
        zero_units=in_weight.units,
        groups=in_weight.groups,
        threshold=threshold,
        note=note(kind, in_weight, zeros / max(parameters, 1), alive.count(False), threshold),
    )


def _threshold(piece: _Piece) -> float | None:
    """Of a learnable mask, where it is a number."""
    if kept_filters(piece.tensors) is None:
        return None
    threshold = float(piece.tensors["threshold"])
    return threshold if math.isfinite(threshold) else None


def _shape(soma: dict[str, _Piece]) -> tuple[int, ...]:
    """Of the first matrix or kernel of a layer or block; without one, of its first tensor."""
    found = next(filter(None, (weight_of(piece.tensors) for piece in soma.values())), None)
    first = found[1] if found else next(iter(next(iter(soma.values())).tensors.values()))
    return tuple(first.shape)


def _zeros_of_weight(layer: str, soma: dict[str, _Piece], living: list[dict[str, _Piece]]) -> Zeros:
    """The zeros of the first weight whose rows are units, in the soma and in the living dendrites."""
    for module, piece in soma.items():
        found = weight_of(piece.tensors)
        if found and piece.kind in UNITS:
            inner = module[len(layer) :].lstrip(".")
            same = (branch[inner] for branch in living if inner in branch)
            others = [other.used(found[0]) for other in same if found[0] in other.tensors]
            return count_zeros(piece.used(found[0]), others)
    return Zeros()
