"""Demanded units, backward: which indices of an axis can change any graph output at all.

A unit that nobody reads with a non-zero weight, or that is only ever multiplied by zero, is not demanded.
What is not demanded and not constant may take any (finite) value without a change at the outputs. (Two
constant zeros that are multiplied do not demand each other, so what is constant has to stay as it is.)
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import onnx_ir as ir

from edgeshrink.graph.constants import Constants
from edgeshrink.graph.spaces import Axis, Spaces

__all__ = ["Demand", "Mask"]

Mask = npt.NDArray[np.bool_]
"""One truth value per index along an axis."""


class Demand:
    """Which indices of every tracked axis are demanded, and by which contraction."""

    def __init__(self, spaces: Spaces, constants: Constants) -> None:
        self.spaces = spaces
        self.constants = constants
        self._masks: dict[Axis, Mask] = {}
        self._reads: dict[tuple[ir.Node, Axis], Mask] = {}

    def of(self, value: ir.Value, axis: int) -> Mask:
        """What is demanded of an axis so far; all of it where the axis is not tracked."""
        units = self.spaces.get(value, axis)
        if units is None:
            assert value.shape is not None
            size = value.shape[axis]
            return np.ones(size if isinstance(size, int) else 1, dtype=bool)
        return self._masks.setdefault((value, axis), np.zeros(units.size, dtype=bool))

    def add(self, value: ir.Value, axis: int, mask: Mask) -> None:
        """Demand these indices of an axis; of no effect where the axis is not tracked."""
        if self.spaces.get(value, axis) is not None:
            self._masks[value, axis] = self.of(value, axis) | mask

    def add_all(self, value: ir.Value) -> None:
        """Demand everything of a value."""
        for axis in self.spaces.axes_of(value):
            self.add(value, axis, np.ones(1, dtype=bool))

    def add_read(self, node: ir.Node, value: ir.Value, axis: int, mask: Mask) -> None:
        """Demand what a contraction reads with a non-zero weight, and remember it for that contraction."""
        known = self._reads.get((node, (value, axis)))  # a product may read one axis twice
        self._reads[node, (value, axis)] = mask if known is None else known | mask
        self.add(value, axis, mask)

    def by_read(self, node: ir.Node, axis: Axis) -> Mask:
        """What one contraction demands of the axis it reads."""
        return self._reads[node, axis]
