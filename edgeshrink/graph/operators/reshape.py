"""Reshape and its relatives: elements stay in order, axes are merged, split, added and dropped."""

from __future__ import annotations

from collections.abc import Container, Iterator
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx_ir as ir

from edgeshrink.graph.constants import Constants, array_of
from edgeshrink.graph.demand import Demand
from edgeshrink.graph.edit import add_constant, set_input
from edgeshrink.graph.operators.base import EVERYTHING, Operator, Size, describe, register, sizes, source_of
from edgeshrink.graph.spaces import Spaces

__all__ = ["Reshape"]


@register("Reshape", "Flatten", "Squeeze", "Unsqueeze")
class Reshape(Operator):
    """Axes kept whole are carried; [C, H, W] made one axis repeats each unit of C for its H * W places."""

    def followed(self, node: ir.Node) -> Container[int]:
        """The data; not the shape or the axes."""
        return range(1)

    def couple(self, node: ir.Node, spaces: Spaces) -> None:
        """Carry or repeat the units of each axis; pin what is split, or merged with another tracked axis."""
        source = source_of(node)
        carried = _merges(node)
        for axis in spaces.axes_of(source):
            units = spaces.get(source, axis)
            assert units is not None
            target = carried.get(axis)
            if target is None or _tracked_partner(spaces, source, axis, carried):
                spaces.pin(units, f"taken apart by {describe(node)}")
            else:
                spaces.put(node.outputs[0], target.axis, target.spread(units))

    def constants(self, node: ir.Node, constants: Constants) -> None:
        """Each place is as constant as the unit it came from."""
        source, output, spaces = source_of(node), node.outputs[0], constants.spaces
        for axis, target in _merges(node).items():
            if spaces.get(source, axis) is not None and spaces.get(output, target.axis) is not None:
                constants.put(output, target.axis, target.spread(constants.of(source, axis)))

    def demand(self, node: ir.Node, demand: Demand) -> None:
        """A unit is demanded if any of its places is."""
        source, output = source_of(node), node.outputs[0]
        carried = _merges(node)
        for axis in demand.spaces.axes_of(source):
            target = carried.get(axis)
            if target is None or demand.spaces.get(output, target.axis) is None:
                demand.add(source, axis, EVERYTHING)
            else:
                demand.add(source, axis, target.gather(demand.of(output, target.axis)))

    def resize(self, node: ir.Node) -> None:
        """Write the new lengths into a constant target shape of its own."""
        output = node.outputs[0]
        shape = array_of(node.inputs[1]) if node.op_type == "Reshape" else None
        if shape is None:
            return
        new = [size if isinstance(size, int) else old for old, size in zip(shape, sizes(output), strict=True)]
        if new != shape.tolist():
            assert isinstance(node.graph, ir.Graph)
            set_input(node, 1, add_constant(node.graph, f"{output.name}_shape", np.array(new, np.int64)))


@dataclass(frozen=True)
class _Place:
    """Where an input axis ends up.

    Attributes:
        axis: The output axis it is inside of.
        sizes: The product of the sizes merged before it, its own size, and the product of those after it.
    """

    axis: int
    sizes: tuple[int, int, int]

    def spread(self, per_unit: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """One entry per unit, (size,) -> one per place, (before * size * after,)."""
        return np.broadcast_to(per_unit[None, :, None], self.sizes).reshape(-1)

    def gather(self, per_place: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
        """One truth value per place -> whether any place of the unit has it."""
        return np.asarray(per_place.reshape(self.sizes).any(axis=(0, 2)))


def _tracked_partner(spaces: Spaces, source: ir.Value, axis: int, carried: dict[int, _Place]) -> bool:
    """Whether another tracked axis is merged into the same output axis (a product of two spaces)."""
    others = (other for other in spaces.axes_of(source) if other != axis and other in carried)
    return any(carried[other].axis == carried[axis].axis for other in others)


def _merges(node: ir.Node) -> dict[int, _Place]:
    """Where each input axis goes that is not split; nothing where that is decided at run time.

    A Squeeze that names no axes drops whichever have length 1: an axis cut to that length would go too.
    """
    if node.op_type == "Reshape" and array_of(node.inputs[1]) is None:
        return {}
    if node.op_type == "Squeeze" and "axes" not in node.attributes and len(node.inputs) < 2:
        return {}
    before = sizes(source_of(node))
    places = {}
    for run, target in _groups(before, sizes(node.outputs[0])):
        lengths = [size for axis in run if isinstance(size := before[axis], int)]
        if len(lengths) < len(run):
            continue
        for i, axis in enumerate(run):
            places[axis] = _Place(target, (prod(lengths[:i]), lengths[i], prod(lengths[i + 1 :])))
    return places


def _groups(sources: tuple[Size, ...], targets: tuple[Size, ...]) -> Iterator[tuple[list[int], int]]:
    """Split both shapes into the shortest runs of equal product; yield those whose target is one axis.

    Axes of size 1 belong to no run. Stops at the first size it cannot compare.
    """
    sources, targets = _align_unknown(sources, targets)
    left = [axis for axis, size in enumerate(sources) if size != 1]
    right = [axis for axis, size in enumerate(targets) if size != 1]
    while left and right:
        run, goal = [left.pop(0)], [right.pop(0)]
        if _same(sources[run[0]], targets[goal[0]]):
            yield run, goal[0]
            continue
        while (a := _product(sources, run)) != (b := _product(targets, goal)):
            if a is None or b is None or (a < b and not left) or (a > b and not right):
                return
            (run if a < b else goal).append((left if a < b else right).pop(0))
        if a is None:
            return
        if len(goal) == 1:
            yield run, goal[0]


def _align_unknown(
    sources: tuple[Size, ...], targets: tuple[Size, ...]
) -> tuple[tuple[Size, ...], tuple[Size, ...]]:
    """Give the only unknown length of both shapes one name, if all known ones have the same product."""
    unknown = [
        [axis for axis, size in enumerate(shape) if not isinstance(size, int)] for shape in (sources, targets)
    ]
    known = [prod(size for size in shape if isinstance(size, int)) for shape in (sources, targets)]
    if [len(axes) for axes in unknown] != [1, 1] or known[0] != known[1] or known[0] == 0:
        return sources, targets
    name = ir.SymbolicDim("the only unknown length")
    left, right = list(sources), list(targets)
    left[unknown[0][0]] = right[unknown[1][0]] = name
    return tuple(left), tuple(right)


def _same(a: Size, b: Size) -> bool:
    """Whether two lengths are known to be equal; two unknown ones are not."""
    return a == b and (isinstance(a, int) or a.value is not None)


def _product(shape: tuple[Size, ...], axes: list[int]) -> int | None:
    lengths = [size for axis in axes if isinstance(size := shape[axis], int)]
    return prod(lengths) if len(lengths) == len(axes) else None
