"""What tensors tell about the layers they belong to, without the network's code."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from edgeshrink.checkpoint.arranged import Arranged, Dendrites

__all__ = ["LayerFacts", "layer_facts"]

_KIND_BY_DIMENSIONS = {2: "linear", 3: "conv1d", 4: "conv2d", 5: "conv3d"}
_RECURRENT_BY_GATES = {1: "rnn", 3: "gru", 4: "lstm"}
_NOT_TRAINED = ("running_mean", "running_var", "num_batches_tracked")


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


def layer_facts(arranged: Arranged, masked: Mapping[str, int]) -> tuple[LayerFacts, ...]:
    """Describe every layer, in the file's order.

    Args:
        arranged: The checkpoint's tensors, masks applied.
        masked: Name in the file -> elements that a mask set to zero.
    """
    parts: dict[str, dict[str, dict[str, Tensor]]] = {}
    for name, tensor in arranged.plain.items():
        path = next((path for path in arranged.dendrites if name.startswith(f"{path}.")), None)
        layer, _, parameter = name.rpartition(".")
        parts.setdefault(layer if path is None else path, {}).setdefault(layer, {})[parameter] = tensor
    return tuple(_facts(layer, pieces, arranged, masked) for layer, pieces in parts.items())


def _facts(
    layer: str, pieces: dict[str, dict[str, Tensor]], arranged: Arranged, masked: Mapping[str, int]
) -> LayerFacts:
    dendrites = arranged.dendrites.get(layer)
    alive = dendrites.alive() if dendrites else ()
    mine = {
        name: tensor
        for name, tensor in arranged.everything()
        if name.rpartition(".")[0] in pieces or (dendrites and name.startswith(f"{layer}."))
    }
    counts = {name: masked.get(arranged.source[name], 0) for name in mine}
    weights = [
        tensor for name, tensor in mine.items() if _is_weight(name, tensor, layer, dendrites) or counts[name]
    ]
    return LayerFacts(
        name=layer,
        kind=" + ".join(dict.fromkeys(_kind(tensors) for tensors in pieces.values())),
        shape=_main_shape(pieces),
        parameters=sum(t.numel() for name, t in mine.items() if not name.endswith(_NOT_TRAINED)),
        dendrites=len(alive),
        dead_dendrites=alive.count(False),
        masked=sum(counts.values()),
        zeros=sum(int(tensor.numel() - tensor.count_nonzero()) for tensor in weights),
        zero_units=_zero_units(layer, pieces, dendrites),
    )


def _is_weight(name: str, tensor: Tensor, layer: str, dendrites: Dendrites | None) -> bool:
    mixing = dendrites and (name == f"{layer}.top" or name.startswith(f"{layer}.between."))
    return tensor.dim() >= 2 and not mixing


def _kind(tensors: dict[str, Tensor]) -> str:
    """Tell a layer's kind by its parameters' names and dimensions; "linear" may be an embedding."""
    if "running_mean" in tensors:
        return "batch norm"
    if "weight_hh_l0" in tensors and tensors["weight_hh_l0"].dim() == 2:
        rows, columns = tensors["weight_hh_l0"].shape
        return _RECURRENT_BY_GATES.get(rows // max(columns, 1), "recurrent")
    if "in_proj_weight" in tensors:
        return "attention"
    if "weight" in tensors:
        return _KIND_BY_DIMENSIONS.get(tensors["weight"].dim(), "norm")
    return "parameters"


def _main_weight(pieces: dict[str, dict[str, Tensor]]) -> tuple[str, Tensor]:
    """Find the first weight matrix or kernel of a layer or block; without one, its first tensor."""
    named = [
        (f"{layer}.{name}", tensor) for layer, tensors in pieces.items() for name, tensor in tensors.items()
    ]
    return next((pair for pair in named if pair[1].dim() >= 2), named[0])


def _main_shape(pieces: dict[str, dict[str, Tensor]]) -> tuple[int, ...]:
    return tuple(_main_weight(pieces)[1].shape)


def _zero_units(layer: str, pieces: dict[str, dict[str, Tensor]], dendrites: Dendrites | None) -> int:
    """Count output units (rows of the weight) that are all zero in soma and living dendrites."""
    name, weight = _main_weight(pieces)
    if weight.dim() < 2 or weight.numel() == 0:
        return 0
    live = weight.flatten(1).ne(0).any(1)
    inner = name.removeprefix(f"{layer}.")
    for branch, alive in zip(dendrites.branches, dendrites.alive(), strict=True) if dendrites else ():
        if alive and inner in branch and branch[inner].shape == weight.shape:
            live |= branch[inner].flatten(1).ne(0).any(1)
    return int((~live).sum())
