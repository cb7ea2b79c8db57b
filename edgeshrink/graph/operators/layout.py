"""Operators that put whole axes elsewhere: Transpose, Concat."""

from __future__ import annotations

from collections.abc import Container

import numpy as np
import onnx_ir as ir

from edgeshrink.graph.constants import Constants, array_of
from edgeshrink.graph.demand import Demand
from edgeshrink.graph.operators.base import EVERYTHING, Operator, describe, register, sizes, source_of
from edgeshrink.graph.spaces import Spaces

__all__ = ["Concat", "Transpose"]


@register("Transpose")
class Transpose(Operator):
    """Axes change places."""

    def followed(self, node: ir.Node) -> Container[int]:
        """The only input."""
        return range(1)

    def couple(self, node: ir.Node, spaces: Spaces) -> None:
        """Carry every tracked axis to its new place."""
        for axis, new in _permutation(node).items():
            units = spaces.get(source_of(node), axis)
            if units is not None:
                spaces.put(node.outputs[0], new, units)

    def constants(self, node: ir.Node, constants: Constants) -> None:
        """Constants go along."""
        for axis, new in _permutation(node).items():
            if constants.spaces.get(source_of(node), axis) is not None:
                constants.put(node.outputs[0], new, constants.of(source_of(node), axis))

    def demand(self, node: ir.Node, demand: Demand) -> None:
        """Demand goes back."""
        for axis, new in _permutation(node).items():
            demand.add(source_of(node), axis, demand.of(node.outputs[0], new))


def _permutation(node: ir.Node) -> dict[int, int]:
    """Input axis -> output axis; without `perm` the axes are reversed."""
    rank = len(sizes(source_of(node)))
    order = node.attributes.get_ints("perm", range(rank)[::-1])
    return {old: new for new, old in enumerate(order)}


@register("Concat")
class Concat(Operator):
    """The units of the inputs one after another along `axis`; the same units along every other."""

    def followed(self, node: ir.Node) -> Container[int]:
        """All parts."""
        return range(len(node.inputs))

    def couple(self, node: ir.Node, spaces: Spaces) -> None:
        """Join along the axis, tie across the others."""
        joined = _axis(node)
        for axis in range(len(sizes(node.outputs[0]))):
            if all(spaces.get(value, axis) is None for value in _parts(node)):
                continue
            if axis != joined:
                self._tie(node, spaces, axis)
            elif all(isinstance(sizes(value)[axis], int) for value in _parts(node)):
                self._join(node, spaces, axis)
            else:
                super().couple(node, spaces)

    def _join(self, node: ir.Node, spaces: Spaces, axis: int) -> None:
        parts = []
        for value in _parts(node):
            units = spaces.get(value, axis)
            if units is None:
                size = sizes(value)[axis]
                assert isinstance(size, int)
                units = spaces.fresh(size)
                if array_of(value) is not None:
                    spaces.put(value, axis, units)
                else:
                    spaces.pin(units, f"joined by {describe(node)} from a value that cannot shrink")
            parts.append(units)
        spaces.put(node.outputs[0], axis, np.concatenate(parts))

    def _tie(self, node: ir.Node, spaces: Spaces, axis: int) -> None:
        parts = [spaces.get(value, axis) for value in _parts(node)]
        if any(units is None for units in parts):
            for value in _parts(node):
                spaces.pin_axis(value, axis, f"joined by {describe(node)} with a value that cannot shrink")
            return
        for units in parts:
            assert units is not None
            spaces.put(node.outputs[0], axis, units)

    def constants(self, node: ir.Node, constants: Constants) -> None:
        """Constants are joined; along other axes a unit is constant if all inputs agree on its number."""
        output = node.outputs[0]
        for axis in constants.spaces.axes_of(output):
            parts = [constants.of(value, axis) for value in _parts(node)]
            if axis == _axis(node):
                constants.put(output, axis, np.concatenate(parts))
            else:
                agreed = np.logical_and.reduce([part == parts[0] for part in parts])
                constants.put(output, axis, np.where(agreed, parts[0], np.nan))

    def demand(self, node: ir.Node, demand: Demand) -> None:
        """Each input is asked for its own stretch."""
        output = node.outputs[0]
        for axis in range(len(sizes(output))):
            mask, start = demand.of(output, axis), 0
            if axis != _axis(node) or demand.spaces.get(output, axis) is None:
                for value in _parts(node):
                    demand.add(
                        value, axis, mask if demand.spaces.get(output, axis) is not None else EVERYTHING
                    )
                continue
            for value in _parts(node):
                size = sizes(value)[axis]
                assert isinstance(size, int)
                demand.add(value, axis, mask[start : start + size])
                start += size


def _axis(node: ir.Node) -> int:
    return node.attributes.get_int("axis", 1) % len(sizes(node.outputs[0]))


def _parts(node: ir.Node) -> list[ir.Value]:
    return [value for value in node.inputs if value is not None]
