"""Expand and Tile: what is there once comes several times.

Axes that keep their length are carried. Along an axis that is made longer from one index, every copy is a
unit of its own, which leaves by making fewer copies: so do query heads that share their keys and values.
"""

from __future__ import annotations

from collections.abc import Container
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx_ir as ir

from edgeshrink.graph.constants import Constants, array_of
from edgeshrink.graph.demand import Demand
from edgeshrink.graph.edit import add_constant, set_input
from edgeshrink.graph.operators.base import EVERYTHING, Operator, describe, register, sizes, source_of
from edgeshrink.graph.operators.elementwise import aligned_axis
from edgeshrink.graph.spaces import Spaces, Units

__all__ = ["Expand", "Tile"]


class _Copies(Operator):
    """out[.., i, ..] = in[.., i modulo the length, ..], axes lined up from the right."""

    def followed(self, node: ir.Node) -> Container[int]:
        """The data; not the shape or the repeats."""
        return range(1)

    def couple(self, node: ir.Node, spaces: Spaces) -> None:
        """Repeat the units of each axis; copies of a single index are new units."""
        source, output = source_of(node), node.outputs[0]
        if array_of(node.inputs[1]) is None or 0 in (*sizes(source), *sizes(output)):
            super().couple(node, spaces)
            return
        for axis, size in enumerate(sizes(output)):
            own = aligned_axis(source, output, axis)
            if not isinstance(size, int):
                _pin(node, own, spaces)
            elif _is_spread(node, axis):
                _pin(node, own, spaces)
                spaces.put(output, axis, spaces.fresh(size))
            elif own is not None and (units := _units(source, own, spaces)) is not None:
                spaces.put(output, axis, np.tile(units, size // units.size))

    def constants(self, node: ir.Node, constants: Constants) -> None:
        """Copies are what they are copies of."""
        source, output = source_of(node), node.outputs[0]
        for axis in constants.spaces.axes_of(output):
            own = aligned_axis(source, output, axis)
            if own is not None and not _is_spread(node, axis):
                numbers, size = constants.of(source, own), sizes(output)[axis]
                assert isinstance(size, int)
                constants.put(output, axis, np.tile(numbers, size // numbers.size))

    def demand(self, node: ir.Node, demand: Demand) -> None:
        """An index is demanded if any of its copies is."""
        source, output = source_of(node), node.outputs[0]
        for axis in range(len(sizes(output))):
            own = aligned_axis(source, output, axis)
            units = demand.spaces.get(source, own) if own is not None else None
            if own is None or units is None:
                continue
            if _is_spread(node, axis) or demand.spaces.get(output, axis) is None:
                demand.add(source, own, EVERYTHING)
            else:
                copies = demand.of(output, axis).reshape(-1, units.size)
                demand.add(source, own, np.logical_or.reduce(copies, axis=0))


@register("Expand")
class Expand(_Copies):
    """The second input is the shape, where 1 stands for: as it is."""

    def resize(self, node: ir.Node) -> None:
        """Say 1 for every axis that is carried, and how many copies are left of the others."""
        output, shape = node.outputs[0], array_of(node.inputs[1])
        if shape is None:
            return
        first = len(sizes(output)) - shape.size
        new = shape.copy()
        for place in range(shape.size):
            own, size = aligned_axis(source_of(node), output, first + place), sizes(output)[first + place]
            carried = own is not None and sizes(source_of(node))[own] == size
            if isinstance(size, int):
                new[place] = 1 if carried else size
        _store(node, shape, new)


@register("Tile")
class Tile(_Copies):
    """The second input says how many times each axis comes."""

    def resize(self, node: ir.Node) -> None:
        """Copies of a single index may be fewer."""
        before, after, repeats = sizes(source_of(node)), sizes(node.outputs[0]), array_of(node.inputs[1])
        if repeats is None:
            return
        new = [
            size if own == 1 and isinstance(size, int) else number
            for own, size, number in zip(before, after, repeats.tolist(), strict=True)
        ]
        _store(node, repeats, np.array(new, dtype=np.int64))


def _is_spread(node: ir.Node, axis: int) -> bool:
    """Whether an output axis is made of copies of a single index."""
    source, output = source_of(node), node.outputs[0]
    own = aligned_axis(source, output, axis)
    return sizes(output)[axis] != 1 and (own is None or sizes(source)[own] == 1)


def _pin(node: ir.Node, axis: int | None, spaces: Spaces) -> None:
    if axis is not None:
        spaces.pin_axis(source_of(node), axis, f"copied by {describe(node)}")


def _units(value: ir.Value, axis: int, spaces: Spaces) -> Units | None:
    """The units along an axis; new ones for a constant, None where it cannot shrink."""
    units, size = spaces.get(value, axis), sizes(value)[axis]
    if units is None and array_of(value) is not None and isinstance(size, int):
        units = spaces.fresh(size)
        spaces.put(value, axis, units)
    return units


def _store(node: ir.Node, old: npt.NDArray[Any], new: npt.NDArray[Any]) -> None:
    if not np.array_equal(old, new):
        assert isinstance(node.graph, ir.Graph)
        name = f"{node.outputs[0].name}_copies"
        set_input(node, 1, add_constant(node.graph, name, np.asarray(new, dtype=np.int64)))
