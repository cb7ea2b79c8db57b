"""What all operators share that take some indices of an axis and leave the others: Slice, Split, Gather.

An output index is the unit it was taken from, so it is as constant, and demands it.
"""

from __future__ import annotations

from collections.abc import Container, Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import onnx_ir as ir

from edgeshrink.graph.constants import Constants, array_of
from edgeshrink.graph.demand import Demand
from edgeshrink.graph.operators.base import EVERYTHING, Kept, Operator, describe, sizes, source_of
from edgeshrink.graph.spaces import Spaces

__all__ = ["Indices", "Pick", "Selection", "constant_integers", "renumbered", "without"]

Indices = npt.NDArray[np.int64]
"""Positions along an axis, none of them negative."""


class Pick(NamedTuple):
    """Where a stretch of an input axis goes.

    Attributes:
        axis: Of the input.
        output: The value it goes to.
        to: The axis there.
        indices: Which positions are taken, in the order of the output; None: all of them.
    """

    axis: int
    output: ir.Value
    to: int
    indices: Indices | None = None


class Selection(Operator):
    """out[.., i, ..] = in[.., indices[i], ..]."""

    def followed(self, node: ir.Node) -> Container[int]:
        """The data; not the indices, bounds or lengths."""
        return range(1)

    def picks(self, node: ir.Node) -> list[Pick] | None:
        """Where every input axis goes that goes anywhere; None where that is not known before run time."""
        raise NotImplementedError

    def couple(self, node: ir.Node, spaces: Spaces) -> None:
        """Hand on what is taken, pin the axes of which that is not known."""
        picks, source = self.picks(node), source_of(node)
        if picks is None:
            super().couple(node, spaces)
            return
        for axis in spaces.axes_of(source):
            units = spaces.get(source, axis)
            assert units is not None
            if not any(pick.axis == axis for pick in picks):
                self._pin(node, axis, spaces)
        for pick in picks:
            units = spaces.get(source, pick.axis)
            if units is not None:
                taken = units if pick.indices is None else units[pick.indices]
                spaces.put(pick.output, pick.to, taken)

    def _pin(self, node: ir.Node, axis: int, spaces: Spaces) -> None:
        """What happens to a tracked axis that goes nowhere. Here: it stays."""
        spaces.pin_axis(source_of(node), axis, f"taken apart by {describe(node)}")

    def constants(self, node: ir.Node, constants: Constants) -> None:
        """A part of a constant is that constant."""
        for pick in _followed_picks(self.picks(node), source_of(node), constants.spaces):
            numbers = constants.of(source_of(node), pick.axis)
            constants.put(pick.output, pick.to, numbers if pick.indices is None else numbers[pick.indices])

    def demand(self, node: ir.Node, demand: Demand) -> None:
        """Demand what is taken and demanded; of axes that are not followed, everything."""
        picks, source = self.picks(node), source_of(node)
        followed = list(_followed_picks(picks, source, demand.spaces))
        for axis in demand.spaces.axes_of(source):
            if not any(pick.axis == axis for pick in followed):
                demand.add(source, axis, EVERYTHING)
        for pick in followed:
            wanted = demand.of(pick.output, pick.to)
            if pick.indices is not None:
                size = sizes(source)[pick.axis]
                assert isinstance(size, int)
                taken = np.zeros(size, dtype=bool)
                taken[pick.indices[wanted]] = True
                wanted = taken
            demand.add(source, pick.axis, wanted)


def _followed_picks(picks: list[Pick] | None, source: ir.Value, spaces: Spaces) -> Iterator[Pick]:
    for pick in picks or ():
        tracked = spaces.get(source, pick.axis) is not None
        if tracked and spaces.get(pick.output, pick.to) is not None:
            yield pick


def renumbered(pick: Pick, source: ir.Value, kept: Kept) -> Indices | None:
    """The positions a pick takes once both ends are cut; None where they stay the same."""
    stays, wanted = kept(source, pick.axis), kept(pick.output, pick.to)
    if pick.indices is None or (stays.all() and wanted.all()):
        return None
    return without(~stays, pick.indices[wanted])


def without(removed: npt.NDArray[np.bool_], indices: Indices) -> Indices:
    """The positions that these indices, all of them kept, have when the removed ones are gone."""
    return np.asarray((np.cumsum(~removed) - 1)[indices], dtype=np.int64)


def constant_integers(node: ir.Node, index: int, attribute: str) -> Indices | None:
    """What an input says, or in older opsets an attribute of the same meaning; None if it is computed."""
    value = node.inputs[index] if index < len(node.inputs) else None
    if value is not None:
        array = array_of(value)
        return None if array is None else array.reshape(-1).astype(np.int64)
    return np.array(node.attributes.get_ints(attribute, []), dtype=np.int64)
