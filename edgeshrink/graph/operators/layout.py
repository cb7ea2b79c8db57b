"""Operators that only move elements: Reshape and its relatives, Transpose, Concat."""

from __future__ import annotations

from collections.abc import Iterator
from math import prod

import numpy as np
import onnx_ir as ir

from edgeshrink.graph.constants import Constants, array_of
from edgeshrink.graph.demand import Demand
from edgeshrink.graph.edit import add_constant, set_input
from edgeshrink.graph.operators.base import Operator, describe, register
from edgeshrink.graph.spaces import Spaces

__all__ = ["Concat", "Reshape", "Transpose"]


@register("Reshape", "Flatten", "Squeeze", "Unsqueeze")
class Reshape(Operator):
    """Axes kept whole are carried; [C, H, W] merged into [C * H * W] repeats each unit of C for its H * W places."""

    def couple(self, node: ir.Node, spaces: Spaces) -> None:
        """Carry or repeat the units of each tracked axis, pin what is split or merged with another tracked axis."""
        source, output = node.inputs[0], node.outputs[0]
        assert source is not None
        carried = _merges(node)
        for axis in spaces.axes_of(source):
            units = spaces.get(source, axis)
            assert units is not None
            target = carried.get(axis)
            if target is None or _tracked_partner(spaces, source, axis, carried):
                spaces.pin(units, f"taken apart by {describe(node)}")
            else:
                spaces.put(output, target.axis, target.spread(units))

    def constants(self, node: ir.Node, constants: Constants) -> None:
        """Each place is as constant as the unit it came from."""
        source, output = node.inputs[0], node.outputs[0]
        assert source is not None
        for axis, target in _merges(node).items():
            if (
                constants.spaces.get(source, axis) is not None
                and constants.spaces.get(output, target.axis) is not None
            ):
                constants.put(output, target.axis, target.spread(constants.of(source, axis)))

    def demand(self, node: ir.Node, demand: Demand) -> None:
        """A unit is demanded if any of its places is."""
        source, output = node.inputs[0], node.outputs[0]
        assert source is not None
        carried = _merges(node)
        for axis in demand.spaces.axes_of(source):
            target = carried.get(axis)
            if target is None or demand.spaces.get(output, target.axis) is None:
                demand.add(source, axis, np.ones(1, dtype=bool))
            else:
                demand.add(source, axis, target.gather(demand.of(output, target.axis)))

    def resize(self, node: ir.Node) -> None:
        """Write the new lengths into a constant target shape of its own."""
        output = node.outputs[0]
        if node.op_type != "Reshape" or output.shape is None or node.graph is None:
            return
        shape = array_of(node.inputs[1])
        assert shape is not None
        sizes = [size if isinstance(size, int) else None for size in output.shape]
        new = np.array(
            [old if size is None else size for old, size in zip(shape, sizes, strict=True)], np.int64
        )
        assert isinstance(node.graph, ir.Graph)
        if not np.array_equal(new, shape):
            set_input(node, 1, add_constant(node.graph, f"{output.name}_shape", new))


class _Place:
    """Where an input axis ends up: inside an output axis, with the sizes merged before and after it."""

    def __init__(self, axis: int, before: int, size: int, after: int) -> None:
        self.axis = axis
        self.sizes = (before, size, after)

    def spread(self, per_unit: np.ndarray) -> np.ndarray:  # type: ignore[type-arg]
        """One entry per unit -> one entry per place."""
        return np.broadcast_to(per_unit[None, :, None], self.sizes).reshape(-1)

    def gather(self, per_place: np.ndarray) -> np.ndarray:  # type: ignore[type-arg]
        """One truth value per place -> whether any place of the unit has it."""
        return np.asarray(per_place.reshape(self.sizes).any(axis=(0, 2)))


def _tracked_partner(spaces: Spaces, source: ir.Value, axis: int, carried: dict[int, _Place]) -> bool:
    """Whether another tracked axis is merged into the same output axis (a product of two spaces)."""
    others = (other for other in spaces.axes_of(source) if other != axis and other in carried)
    return any(carried[other].axis == carried[axis].axis for other in others)


def _merges(node: ir.Node) -> dict[int, _Place]:
    """Where each input axis goes that is not split."""
    source, output = node.inputs[0], node.outputs[0]
    assert source is not None
    if source.shape is None or output.shape is None:
        return {}
    if node.op_type == "Reshape" and array_of(node.inputs[1]) is None:
        return {}
    places = {}
    for sources, target in _groups(list(source.shape), list(output.shape)):
        sizes = [source.shape[axis] for axis in sources]
        if not all(isinstance(size, int) for size in sizes):
            continue
        for i, axis in enumerate(sources):
            size = sizes[i]
            assert isinstance(size, int)
            places[axis] = _Place(target, prod(sizes[:i]), size, prod(sizes[i + 1 :]))  # type: ignore[arg-type]
    return places


def _groups(
    sources: list[int | ir.SymbolicDim], targets: list[int | ir.SymbolicDim]
) -> Iterator[tuple[list[int], int]]:
    """Split both shapes into the shortest runs of equal product; yield those whose target is one axis.

    Axes of size 1 belong to no run. Stops at the first size it cannot compare.
    """
    left = [axis for axis, size in enumerate(sources) if size != 1]
    right = [axis for axis, size in enumerate(targets) if size != 1]
    while left and right:
        run, goal = [left.pop(0)], [right.pop(0)]
        if sources[run[0]] == targets[goal[0]]:
            yield run, goal[0]
            continue
        while (a := _product(sources, run)) != (b := _product(targets, goal)):
            if a is None or b is None or (a < b and not left) or (a > b and not right):
                return
            (run if a < b else goal).append((left if a < b else right).pop(0))
        if len(goal) == 1:
            yield run, goal[0]


def _product(shape: list[int | ir.SymbolicDim], axes: list[int]) -> int | None:
    sizes = [shape[axis] for axis in axes]
    return prod(sizes) if all(isinstance(size, int) for size in sizes) else None  # type: ignore[arg-type]


@register("Transpose")
class Transpose(Operator):
    """Axes change places."""

    def couple(self, node: ir.Node, spaces: Spaces) -> None:
        """Carry every tracked axis to its new place."""
        source = node.inputs[0]
        assert source is not None
        for axis, new in _permutation(node).items():
            units = spaces.get(source, axis)
            if units is not None:
                spaces.put(node.outputs[0], new, units)

    def constants(self, node: ir.Node, constants: Constants) -> None:
        """Constants go along."""
        source = node.inputs[0]
        assert source is not None
        for axis, new in _permutation(node).items():
            if constants.spaces.get(source, axis) is not None:
                constants.put(node.outputs[0], new, constants.of(source, axis))

    def demand(self, node: ir.Node, demand: Demand) -> None:
        """Demand goes back."""
        source = node.inputs[0]
        assert source is not None
        for axis, new in _permutation(node).items():
            demand.add(source, axis, demand.of(node.outputs[0], new))


def _permutation(node: ir.Node) -> dict[int, int]:
    """Input axis -> output axis."""
    source = node.inputs[0]
    assert source is not None
    assert source.shape is not None
    order = node.attributes.get_ints("perm", range(len(source.shape))[::-1])
    return {old: new for new, old in enumerate(order)}


@register("Concat")
class Concat(Operator):
    """The units of the inputs one after another along `axis`; the same units along every other."""

    def couple(self, node: ir.Node, spaces: Spaces) -> None:
        """Join along the axis, tie across the others."""
        output = node.outputs[0]
        assert output.shape is not None
        joined = _axis(node)
        for axis in range(len(output.shape)):
            parts = [(value, spaces.get(value, axis)) for value in _inputs(node)]
            if all(units is None for _, units in parts):
                continue
            if axis == joined:
                self._join(node, spaces, axis)
            else:
                self._tie(node, spaces, axis)

    def _join(self, node: ir.Node, spaces: Spaces, axis: int) -> None:
        output = node.outputs[0]
        parts = []
        for value in _inputs(node):
            units = spaces.get(value, axis)
            if units is None:
                assert value.shape is not None
                size = value.shape[axis]
                if not isinstance(size, int):
                    super().couple(node, spaces)
                    return
                units = spaces.fresh(size)
                spaces.pin(units, f"joined by {describe(node)} from a value that cannot shrink")
                spaces.pin_axis(value, axis, f"joined by {describe(node)}")
            parts.append(units)
        spaces.put(output, axis, np.concatenate(parts))

    def _tie(self, node: ir.Node, spaces: Spaces, axis: int) -> None:
        parts = [spaces.get(value, axis) for value in _inputs(node)]
        if any(units is None for units in parts):
            for value in _inputs(node):
                spaces.pin_axis(value, axis, f"joined by {describe(node)} with a value that cannot shrink")
            return
        for units in parts:
            assert units is not None
            spaces.put(node.outputs[0], axis, units)

    def constants(self, node: ir.Node, constants: Constants) -> None:
        """Constants are joined; along the other axes a unit is constant if all inputs agree on its number."""
        output = node.outputs[0]
        joined = _axis(node)
        for axis in constants.spaces.axes_of(output):
            parts = [constants.of(value, axis) for value in _inputs(node)]
            if axis == joined:
                constants.put(output, axis, np.concatenate(parts))
            else:
                agreed = np.logical_and.reduce([part == parts[0] for part in parts])
                constants.put(output, axis, np.where(agreed, parts[0], np.nan))

    def demand(self, node: ir.Node, demand: Demand) -> None:
        """Each input is asked for its own stretch."""
        output = node.outputs[0]
        joined = _axis(node)
        for axis in demand.spaces.axes_of(output):
            mask = demand.of(output, axis)
            start = 0
            for value in _inputs(node):
                assert value.shape is not None
                size = value.shape[axis]
                assert isinstance(size, int)
                demand.add(value, axis, mask[start : start + size] if axis == joined else mask)
                start += size
        for value in _inputs(node):
            for axis in demand.spaces.axes_of(value):
                if demand.spaces.get(output, axis) is None:
                    demand.add(value, axis, np.ones(1, dtype=bool))


def _axis(node: ir.Node) -> int:
    output = node.outputs[0]
    assert output.shape is not None
    return node.attributes.get_int("axis", 0) % len(output.shape)


def _inputs(node: ir.Node) -> list[ir.Value]:
    return [value for value in node.inputs if value is not None]
