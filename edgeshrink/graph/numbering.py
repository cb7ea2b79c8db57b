"""Value numbers, forward: which indices of an axis carry the same values, up to a factor, for every input.

Each index along a tracked axis gets a number and a scale. Where two indices bear the same number, what lies
there (the value with that axis taken out) is the same thing, once times the one scale and once times the
other. Filters begin numbers; whatever is computed from equal numbers alone, in the same way, has equal
numbers again. Every operator that is not known here makes all its outputs different: that is always safe.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import onnx_ir as ir

from edgeshrink.graph.analysis import Analysis
from edgeshrink.graph.constants import array_of
from edgeshrink.graph.likeness import FLOAT32_STEP, Floats, Integers, Table, alike
from edgeshrink.graph.operators.base import sizes
from edgeshrink.graph.spaces import Axis

__all__ = ["CONSTANT", "Numbered", "Numbering", "length_of"]

CONSTANT = 0
"""The number of every index that carries a known constant; the constant, not zero, is its scale."""

_FIRST = 1


@dataclass(frozen=True)
class Numbered:
    """The indices along an axis.

    Attributes:
        numbers: int64 of shape (size,).
        scales: float64 of shape (size,), none of them zero.
    """

    numbers: Integers
    scales: Floats

    def all_different(self) -> bool:
        """Whether no number comes twice."""
        return np.unique(self.numbers).size == self.numbers.size


class Numbering:
    """The numbers along every tracked axis, and, read off on demand, of constant operands."""

    def __init__(self, analysis: Analysis) -> None:
        self._analysis = analysis
        self._known: dict[Axis, Numbered] = {}
        self._count = _FIRST

    def of(self, value: ir.Value, axis: int) -> Numbered:
        """What is known of an axis; all different where nothing is."""
        known = self._known.get((value, axis))
        if known is None:
            array = array_of(value)
            known = self._fresh(length_of(value, axis)) if array is None else self._of_array(array, axis)
            known = self._known[value, axis] = self._with_constants(value, axis, known)
        return known

    def put(self, value: ir.Value, axis: int, numbered: Numbered) -> None:
        """Record an axis; what is known to be constant there gets the number of constants."""
        self._known[value, axis] = self._with_constants(value, axis, numbered)

    def group(
        self, keys: Integers, numbers: npt.NDArray[np.floating], step: float = FLOAT32_STEP
    ) -> Numbered:
        """Number indices anew: the same for rows of equal keys and proportional numbers."""
        leader, factor = alike(Table(keys, numbers, step))
        self._count += leader.size
        return Numbered(leader + (self._count - leader.size), factor)

    def by_keys(self, keys: Integers, scales: Floats) -> Numbered:
        """Number indices anew: the same for rows of equal keys, with these scales."""
        _, kinds = np.unique(keys, axis=0, return_inverse=True)
        self._count += kinds.size
        usable = np.isfinite(scales) & (scales != 0)
        numbers = np.where(usable, kinds.reshape(-1) + self._count - kinds.size, 0)
        alone = self._fresh(int((~usable).sum()))
        numbers[~usable] = alone.numbers
        return Numbered(numbers, np.where(usable, scales, 1.0))

    def _fresh(self, count: int) -> Numbered:
        self._count += count
        return Numbered(np.arange(self._count - count, self._count), np.ones(count))

    def _of_array(self, array: npt.NDArray[np.generic], axis: int) -> Numbered:
        """Equal numbers for equal rows of a stored array."""
        if array.size == 0:
            return self._fresh(array.shape[axis])
        rows = np.ascontiguousarray(np.moveaxis(array, axis, 0)).reshape(array.shape[axis], -1)
        first: dict[bytes, int] = {}
        leader = np.array([first.setdefault(row.tobytes(), i) for i, row in enumerate(rows)], dtype=np.int64)
        self._count += leader.size
        return Numbered(leader + (self._count - leader.size), np.ones(leader.size))

    def _with_constants(self, value: ir.Value, axis: int, numbered: Numbered) -> Numbered:
        constants = self._analysis.constants.of(value, axis)
        if constants.shape != numbered.numbers.shape:
            return numbered
        known = np.isfinite(constants) & (constants != 0)
        if not known.any():
            return numbered
        return Numbered(
            np.where(known, CONSTANT, numbered.numbers), np.where(known, constants, numbered.scales)
        )


def length_of(value: ir.Value, axis: int) -> int:
    """The length of an axis, 0 where it is only known at run time."""
    size = sizes(value)[axis]
    return size if isinstance(size, int) else 0
