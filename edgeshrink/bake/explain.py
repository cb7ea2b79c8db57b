"""What became of each layer: its units before and after, and why those stay that look as if they could go."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import onnx_ir as ir

from edgeshrink.bake.plan import Plan, plan_removal
from edgeshrink.graph.analysis import analyse
from edgeshrink.graph.constants import array_of
from edgeshrink.graph.demand import Mask
from edgeshrink.graph.layers import Layer, layers_of, weights_by_node
from edgeshrink.graph.module_paths import traced_path
from edgeshrink.graph.operators.base import describe
from edgeshrink.graph.spaces import Units

__all__ = ["LayerChange", "LayerUnits", "compare_layers", "layer_units"]

_PARTNER = "tied to units that are alive elsewhere"
_GONE = "the whole layer only ever adds a constant, or nothing"
_NOT_FOLLOWED = "the analysis does not follow this layer"
_STARTS_UP = "its bias moves its state from the first step to the next"

_RECURRENT = ("LSTM", "GRU", "RNN")

_ENOUGH_ZEROS = 0.1
"""The share of zeros in a weight from which on it is worth a word."""


@dataclass(frozen=True)
class LayerChange:
    """One layer before and after baking.

    Attributes:
        name: The layer, by its module, its weight or its node.
        op: Its ONNX op type.
        before, after: Units it writes; after is 0 where the whole layer went.
        kernel_before, kernel_after: Spatial kernel, empty for linear and recurrent layers.
        reason: Why remaining units stay that carry a constant or that nobody needs, and what share of the
            remaining weights is zero without making a whole unit; empty if there is nothing to say.
    """

    name: str
    op: str
    before: int
    after: int
    kernel_before: tuple[int, ...]
    kernel_after: tuple[int, ...]
    reason: str


class LayerUnits(NamedTuple):
    """The size of one layer.

    Attributes:
        name: The layer, by its module, its weight or its node; no two have the same.
        key: Its weight, by which it is found again.
        op: Its ONNX op type.
        units: Units it writes.
        kernel: Spatial kernel, empty for linear and recurrent layers.
        node: Its node's name, by which it is found again where it reads another layer's equal weight.
    """

    name: str
    key: str
    op: str
    units: int
    kernel: tuple[int, ...]
    node: str = ""


def layer_units(graph: ir.Graph) -> list[LayerUnits]:
    """The size of every layer with a stored weight, in order; of recurrent ones, of each direction."""
    return [_size(layer) for layer in layers_of(graph)]


def _size(layer: Layer) -> LayerUnits:
    return LayerUnits(
        layer.name, layer.key, layer.node.op_type, layer.units, layer.kernel, layer.node.name or ""
    )


def compare_layers(before: Sequence[LayerUnits], baked: ir.Graph) -> list[LayerChange]:
    """Set the layers of a baked graph beside what `layer_units` saw before."""
    names = {layer.key: layer.name for layer in before}
    left = [layer._replace(name=names.get(layer.key, layer.name)) for layer in layers_of(baked)]
    after = {layer.key: _size(layer) for layer in left}
    reasons, read = _reasons(baked, left), weights_by_node(baked)
    return [_change(was, after.get(was.key), after.get(read.get(was.node, "")), reasons) for was in before]


def _change(
    was: LayerUnits, now: LayerUnits | None, owner: LayerUnits | None, reasons: Mapping[str, str]
) -> LayerChange:
    """What became of one layer; ``owner`` is the one whose equal weight its node reads now, if it does."""
    found = now or owner
    if found is None:
        return LayerChange(was.name, was.op, was.units, 0, was.kernel, (), _GONE)
    reason = reasons[found.key]
    if now is None:
        shared = f"its weight equals that of {found.name} and is stored once"
        reason = f"{shared}; {reason}" if reason else shared
    return LayerChange(was.name, was.op, was.units, found.units, was.kernel, found.kernel, reason)


def _reasons(graph: ir.Graph, layers: list[Layer]) -> dict[str, str]:
    plan = plan_removal(analyse(graph))
    told = _Reasons(graph, layers, plan)
    return {layer.key: "; ".join(_remarks(layer, told)) for layer in layers}


def _remarks(layer: Layer, told: _Reasons) -> Iterator[str]:
    """Why dead-looking units stay, most frequent reason first, then the share of unstructured zeros."""
    for reason, count in Counter(told.of_idle_units(layer)).most_common():
        yield f"{count} idle unit{'s' if count > 1 else ''} stay{'' if count > 1 else 's'}: {reason}"
    zeros = _share_of_zeros(layer)
    if zeros >= _ENOUGH_ZEROS:
        yield f"{zeros:.0%} of its weights are zeros that make no whole unit"


def _share_of_zeros(layer: Layer) -> float:
    """Zeros among the weights of those units that have any weight."""
    empty = _without_weights(layer)
    zeros = weights = 0
    for array in _arrays(layer):
        axis, per_unit = (layer.rows or 0), 1
        if layer.node.op_type in _RECURRENT:
            axis, per_unit = 1, array.shape[1] // layer.units
        if empty.any():
            array = np.compress(np.tile(~empty, per_unit), array, axis=axis)
        zeros, weights = zeros + int((array == 0).sum()), weights + array.size
    return zeros / max(weights, 1)


class _Reasons:
    """Why units stay, in the words of a user: layers by their modules, and who keeps them alive."""

    def __init__(self, graph: ir.Graph, layers: list[Layer], plan: Plan) -> None:
        self._plan = plan
        self._words = {describe(node): _in_words(node) for node in graph if node.name}
        self._words.update({describe(layer.node): f"{layer.node.op_type} '{layer.name}'" for layer in layers})
        self._alive: dict[int, str] = {}
        for layer in layers:
            units, idle = self._units(layer)
            if units is not None:
                for label in np.unique(plan.analysis.partition.labels[units[~idle]]):
                    self._alive.setdefault(int(label), layer.name)

    def of_idle_units(self, layer: Layer) -> Iterator[str]:
        """A reason for each unit that carries a constant, that nobody needs, or that has no weights."""
        units, idle = self._units(layer)
        empty = _without_weights(layer)
        if units is None:
            yield from [_NOT_FOLLOWED] * int(empty.sum())
            return
        for label in self._plan.analysis.partition.labels[units[idle]]:
            yield self._reason(int(label))
        if empty.size == idle.size and layer.node.op_type in _RECURRENT:
            yield from [_STARTS_UP] * int((empty & ~idle).sum())

    def _reason(self, label: int) -> str:
        reason = self._plan.reasons.get(label)
        if reason is None:
            alive = self._alive.get(label)
            return _PARTNER if alive is None else f"tied to units of '{alive}' that are alive"
        return re.sub(r"\w+ '[^']*'", lambda named: self._words.get(named[0], named[0]), reason)

    def _units(self, layer: Layer) -> tuple[Units | None, Mask]:
        """The units a layer writes, and which of them carry a constant or are not demanded."""
        analysis, none = self._plan.analysis, np.zeros(0, dtype=bool)
        for output in layer.node.outputs:
            if layer.axis is None or output.shape is None or (output.name == "" and not output.uses()):
                continue
            axis = len(output.shape) + layer.axis
            units = analysis.spaces.get(output, axis) if axis >= 0 else None
            if units is not None:
                constant = np.isfinite(analysis.constants.of(output, axis))
                return units, np.asarray(constant | ~analysis.demand.of(output, axis))
        return None, none


def _in_words(node: ir.Node) -> str:
    path = traced_path(node)
    return f"{node.op_type} '{path}'" if path else describe(node)


def _without_weights(layer: Layer) -> Mask:
    """Which units have no weight but zeros; where a unit is no row of the weight, none."""
    arrays = _arrays(layer)
    if layer.node.op_type in _RECURRENT:
        used = [(array.reshape(-1, layer.units, array.shape[2]) != 0).any(axis=(0, 2)) for array in arrays]
        return np.asarray(~np.logical_or.reduce(used))
    if layer.rows is None:
        return np.zeros(0, dtype=bool)
    others = tuple(axis for axis in range(arrays[0].ndim) if axis != layer.rows)
    return np.asarray(~(arrays[0] != 0).any(axis=others))


def _arrays(layer: Layer) -> list[npt.NDArray[np.generic]]:
    """The weights; of a recurrent layer with two directions, the share of this one."""
    arrays = [array for weight in layer.weights if (array := array_of(weight)) is not None]
    if layer.node.op_type not in _RECURRENT:
        return arrays
    second = arrays[0].shape[0] == 2 and layer.key.endswith("_reverse")
    return [array[1:] if second else array[:1] for array in arrays]
