"""Products of tensors summed over some axes, none of them a layer of its own: attention's MatMuls, Einsum.

out[i, j] = sum_k a[i, k] * b[k, j], with every axis known by a label. What has the same label is tied; an
index of a summed label adds nothing where any factor is a constant zero, and matters to no factor there.
"""

from __future__ import annotations

from collections.abc import Container, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import onnx_ir as ir

from edgeshrink.graph.constants import Constants, Numbers, array_of
from edgeshrink.graph.demand import Demand, Mask
from edgeshrink.graph.operators.base import EVERYTHING, Operator, Size, describe, sizes
from edgeshrink.graph.spaces import Axis, Spaces

__all__ = ["Labels", "SummedProduct"]

Labels = Sequence[str | None]
"""One label per axis; None for an axis of length 1 that stands for every index of the others'."""


class Labelled(NamedTuple):
    """The labels of a node's factors and of its output."""

    factors: tuple[Labels, ...]
    output: Labels


class SummedProduct(Operator):
    """out[..] = the sum over the labels it lacks of the product of all inputs (times a number)."""

    def labels(self, node: ir.Node) -> Labelled | None:
        """The labels of every axis; None where the node is not such a product."""
        raise NotImplementedError

    def followed(self, node: ir.Node) -> Container[int]:
        """All factors."""
        return range(len(node.inputs))

    def couple(self, node: ir.Node, spaces: Spaces) -> None:
        """Tie the axes of equal label; record a read of each that is summed over."""
        labelled = self._labelled(node)
        if labelled is None:
            super().couple(node, spaces)
            return
        for label in _names(labelled):
            _couple_label(node, spaces, label, labelled)
        for value, labels in _factors(node, labelled):
            for axis, own in enumerate(labels):
                units = spaces.get(value, axis)
                if own is None and units is not None:
                    spaces.pin(units, f"broadcast by {describe(node)}")

    def constants(self, node: ir.Node, constants: Constants) -> None:
        """An index is zero where a factor is, and all are where every term of a sum is.

        Where all factors are constant and none is zero, the sum would miss the term: such an index stays.
        """
        labelled = self._labelled(node)
        if labelled is None:
            return
        summed = [label for label in _names(labelled) if label not in labelled.output]
        silent = any(_zeros(node, labelled, label, constants).all() for label in summed)
        for label in summed:
            _pin_live_constants(node, labelled, label, constants)
        for axis, kept in enumerate(labelled.output):
            if kept is not None and constants.spaces.get(node.outputs[0], axis) is not None:
                zeros = silent | _zeros(node, labelled, kept, constants)
                constants.put(node.outputs[0], axis, np.where(zeros, 0.0, np.nan))

    def demand(self, node: ir.Node, demand: Demand) -> None:
        """Demand of each factor what is demanded of the output, where no other factor is zero."""
        labelled = self._labelled(node)
        if labelled is None:
            super().demand(node, demand)
            return
        output = node.outputs[0]
        wanted = all(demand.of(output, axis).any() for axis in demand.spaces.axes_of(output))
        for value, labels in _factors(node, labelled):
            for axis in demand.spaces.axes_of(value):
                label = labels[axis]
                if label is None:
                    demand.add(value, axis, EVERYTHING)
                    continue
                mask = self._matters(node, labelled, label, value, demand) & wanted
                if label in labelled.output:
                    demand.add(value, axis, mask & demand.of(output, list(labelled.output).index(label)))
                else:
                    demand.add_read(node, value, axis, _all_of(value, axis, mask))

    def _matters(
        self, node: ir.Node, labelled: Labelled, label: str, value: ir.Value, demand: Demand
    ) -> Mask:
        matters = EVERYTHING
        for other, axis in _holders(node, labelled, label):
            numbers = demand.constants.of(other, axis)  # empty where the other's size is open
            if other is not value and numbers.size:
                matters = matters & (numbers != 0)
        return matters

    def can_absorb_in_weight(self, node: ir.Node) -> bool:
        """Nothing is ever absorbed."""
        return False

    def absorb(
        self, node: ir.Node, axis: Axis, numbers: Numbers, removed: Mask, carrier: int | None, spaces: Spaces
    ) -> None:
        """Nothing: an index leaves only if its term is zero, or matters to nobody."""

    def _labelled(self, node: ir.Node) -> Labelled | None:
        """The labels, if each appears once in a factor and no factor is empty, or constant and not finite."""
        labelled = self.labels(node)
        if labelled is None or any(value is None for value in node.inputs):
            return None
        for value, labels in _factors(node, labelled):
            named = [label for label in labels if label is not None]
            array = array_of(value)
            if len(set(named)) < len(named) or len(labels) != len(sizes(value)):
                return None
            if 0 in sizes(value) or (array is not None and not np.isfinite(array).all()):
                return None
        return labelled


def _factors(node: ir.Node, labelled: Labelled) -> Iterator[tuple[ir.Value, Labels]]:
    for value, labels in zip(node.inputs, labelled.factors, strict=False):
        assert value is not None
        yield value, labels


def _names(labelled: Labelled) -> list[str]:
    """All labels, once each."""
    return list(dict.fromkeys(label for labels in labelled.factors for label in labels if label is not None))


def _holders(node: ir.Node, labelled: Labelled, label: str) -> list[Axis]:
    """The axes of factors that have a label."""
    return [
        (value, axis)
        for value, labels in _factors(node, labelled)
        for axis, own in enumerate(labels)
        if own == label
    ]


def _couple_label(node: ir.Node, spaces: Spaces, label: str, labelled: Labelled) -> None:
    holders = _holders(node, labelled, label)
    written = [(node.outputs[0], axis) for axis, own in enumerate(labelled.output) if own == label]
    lengths: set[Size] = {sizes(value)[axis] for value, axis in (*holders, *written)}
    length = next(iter(lengths))
    fixed = any(spaces.get(*holder) is None and array_of(holder[0]) is None for holder in holders)
    if fixed or len(lengths) > 1 or not isinstance(length, int):
        for value, axis in holders:
            spaces.pin_axis(value, axis, f"multiplied by {describe(node)} with a value that cannot shrink")
        return
    known = [units for holder in holders if (units := spaces.get(*holder)) is not None]
    units = known[0] if known else spaces.fresh(length)
    for value, axis in (*holders, *written):
        spaces.put(value, axis, units)
    for value, axis in dict.fromkeys(holders) if not written else ():
        spaces.read(node, value, axis)


def _zeros(node: ir.Node, labelled: Labelled, label: str, constants: Constants) -> Mask:
    """At which indices of a label some factor is zero."""
    zeros = np.zeros(1, dtype=bool)
    for value, axis in _holders(node, labelled, label):
        numbers = constants.of(value, axis)
        zeros = zeros | (numbers == 0) if numbers.size else zeros
    return zeros


def _pin_live_constants(node: ir.Node, labelled: Labelled, label: str, constants: Constants) -> None:
    holders = _holders(node, labelled, label)
    if any(constants.spaces.get(*holder) is None for holder in holders):
        return
    numbers = [constants.of(*holder) for holder in holders]
    live = np.all([np.isfinite(own) & (own != 0) for own in numbers], axis=0)
    units = constants.spaces.get(*holders[0])
    if units is not None and live.any():
        constants.spaces.pin(units[live], f"adds a constant in {describe(node)}")


def _all_of(value: ir.Value, axis: int, mask: Mask) -> Mask:
    size = sizes(value)[axis]
    return np.array(np.broadcast_to(mask, (size if isinstance(size, int) else 1,)))
