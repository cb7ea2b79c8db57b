"""Reshape and its relatives: elements stay in order, axes are merged, split, added and dropped.

An axis that is split can only become shorter by whole indices of one of its factors: of [heads * 64] made
[heads, 64], by whole heads. The units of one head are tied then, and the factor is the axis that carries
them on. Merging an axis with others repeats its units.
"""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx_ir as ir

from edgeshrink.graph.constants import Constants, Numbers, array_of
from edgeshrink.graph.demand import Demand
from edgeshrink.graph.edit import add_constant, set_input
from edgeshrink.graph.operators.base import EVERYTHING, Operator, describe, register, sizes, source_of
from edgeshrink.graph.operators.factors import Run, runs
from edgeshrink.graph.operators.selected import is_selected_from
from edgeshrink.graph.spaces import Spaces, Units

__all__ = ["Reshape"]


@register("Reshape", "Flatten", "Squeeze", "Unsqueeze")
class Reshape(Operator):
    """[C, H, W] made one axis repeats each unit of C H * W times; C made [H, D] ties the units of a head."""

    def followed(self, node: ir.Node) -> Container[int]:
        """The data; not the shape or the axes."""
        return range(1)

    def couple(self, node: ir.Node, spaces: Spaces) -> None:
        """Carry the units of each axis by one of its factors; pin what has no factor that can be carried."""
        source = source_of(node)
        carried = _places(node, spaces)
        for axis in spaces.axes_of(source):
            units = spaces.get(source, axis)
            assert units is not None
            place = carried.get(axis)
            if place is None:
                spaces.pin(units, f"taken apart by {describe(node)}")
                continue
            rows = place.rows(units)
            if rows.shape[1] > 1:
                spaces.tie(np.repeat(rows[:, 0], rows.shape[1] - 1), rows[:, 1:].reshape(-1))
            spaces.put(node.outputs[0], place.axis, place.spread(rows[:, 0]))

    def constants(self, node: ir.Node, constants: Constants) -> None:
        """Each place is as constant as all that it came from, if they agree."""
        source, output, spaces = source_of(node), node.outputs[0], constants.spaces
        for axis, place in _places(node, spaces).items():
            if spaces.get(output, place.axis) is not None:
                constants.put(output, place.axis, place.spread(_agreed(place, constants.of(source, axis))))

    def demand(self, node: ir.Node, demand: Demand) -> None:
        """A unit is demanded if any of the places of its factor is."""
        source, output = source_of(node), node.outputs[0]
        carried = _places(node, demand.spaces)
        for axis in demand.spaces.axes_of(source):
            place = carried.get(axis)
            if place is None or demand.spaces.get(output, place.axis) is None:
                demand.add(source, axis, EVERYTHING)
            else:
                demand.add(source, axis, place.back(demand.of(output, place.axis)))

    def resize(self, node: ir.Node) -> None:
        """Write the new lengths into a constant target shape of its own; what says "as before" stays."""
        output = node.outputs[0]
        shape = array_of(node.inputs[1]) if node.op_type == "Reshape" else None
        if shape is None:
            return
        before, after = sizes(source_of(node)), sizes(output)
        zero_is_copy = not node.attributes.get_int("allowzero", 0)
        new = []
        for axis, (old, size) in enumerate(zip(shape.tolist(), after, strict=True)):
            copies = old == 0 and zero_is_copy and axis < len(before) and before[axis] == size
            keeps = old == -1 or copies or not isinstance(size, int)
            new.append(old if keeps else size)
        if new != shape.tolist():
            assert isinstance(node.graph, ir.Graph)
            set_input(node, 1, add_constant(node.graph, f"{output.name}_shape", np.array(new, np.int64)))


@dataclass(frozen=True)
class _Place:
    """By which factor an input axis is carried on.

    Attributes:
        axis: The output axis that holds the factor.
        source: The factors of the input axis, and which of them is carried.
        target: The factors of the output axis, and which of them that is.
    """

    axis: int
    source: tuple[tuple[int, ...], int]
    target: tuple[tuple[int, ...], int]

    def rows(self, per_unit: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Entries along the input axis, (size,) -> (length of the factor, all that share its index)."""
        factors, chosen = self.source
        return np.moveaxis(per_unit.reshape(factors), chosen, 0).reshape(factors[chosen], -1)

    def spread(self, per_index: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """One entry per index of the factor -> one per place along the output axis."""
        return _repeated(per_index, *self.target)

    def back(self, per_place: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
        """Truth values along the output axis -> for each index of the input, whether its factor has any."""
        factors, chosen = self.target
        others = tuple(i for i in range(len(factors)) if i != chosen)
        return _repeated(np.asarray(per_place.reshape(factors).any(axis=others)), *self.source)


def _repeated(per_index: npt.NDArray[Any], factors: tuple[int, ...], chosen: int) -> npt.NDArray[Any]:
    shape = [1] * len(factors)
    shape[chosen] = factors[chosen]
    return np.broadcast_to(per_index.reshape(shape), factors).reshape(-1)


def _agreed(place: _Place, numbers: Numbers) -> Numbers:
    rows = place.rows(numbers)
    return np.where((rows == rows[:, :1]).all(axis=1), rows[:, 0], np.nan)


def _places(node: ir.Node, spaces: Spaces) -> dict[int, _Place]:
    """How each tracked input axis is carried on; those that cannot be are left out.

    Nothing is carried where the shape is computed at run time. Nor by a Squeeze that names no axes: it drops
    whichever have length 1, and an axis cut to that length would go too.
    """
    source, output = source_of(node), node.outputs[0]
    if node.op_type == "Reshape" and array_of(node.inputs[1]) is None:
        return {}
    if node.op_type == "Squeeze" and "axes" not in node.attributes and len(node.inputs) < 2:
        return {}
    tracked = {axis: spaces.get(source, axis) for axis in spaces.axes_of(source)}
    places: dict[int, _Place] = {}
    taken: set[int] = set()
    for run in runs(sizes(source), sizes(output)) if tracked else ():
        for axis, span in run.sources.items():
            units = tracked.get(axis)
            if units is None or not isinstance(sizes(source)[axis], int):
                continue
            place = _placed(run, span, units, output)
            if place is not None and place.axis not in taken:
                taken.add(place.axis)
                places[axis] = place
    return places


def _placed(run: Run, span: range, units: Units, output: ir.Value) -> _Place | None:
    """Carry an axis by the factor that keeps most of its units apart, or else the outermost that may shrink.

    An axis that parts are selected from by number (the 3 of query, key and value) must keep its length, so
    that a factor is carried by another axis wherever there is one.
    """
    factors = tuple(run.factors[i] for i in span)
    options = []
    for chosen, factor in enumerate(span):
        (axis,) = (axis for axis, own in run.targets.items() if factor in own)
        own = run.targets[axis]
        if not isinstance(sizes(output)[axis], int):
            continue
        target = (tuple(run.factors[i] for i in own), factor - own.start)
        options.append(_Place(axis, (factors, chosen), target))
    if len(options) < 2:
        return options[0] if options else None
    for place in options:
        rows = place.rows(units)
        if (rows == rows[:, :1]).all():
            return place
    free = [place for place in options if not is_selected_from(output, place.axis)]
    return (free or options)[0]
