"""Constant units, forward: which indices of an axis carry the same known number for every input and position.

An all-zero filter emits its bias; BatchNorm, activations and sums carry constants on. `nan` stands for
"varies, or not known". Numbers are float64, so that folding them loses nothing against float32; integers and
truth values, which float64 may not hold and which no layer contracts, always count as not known.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import onnx_ir as ir

from edgeshrink.graph.spaces import Axis, Spaces

__all__ = ["Constants", "Numbers", "Pattern", "array_of", "varying"]

Numbers = npt.NDArray[np.float64]
"""One number per index along an axis; nan where it varies."""

Pattern = npt.NDArray[np.bool_]
"""One truth value per (row, column) of a weight: whether any of its elements there is not zero."""


def varying(count: int) -> Numbers:
    """Nothing known of `count` indices."""
    return np.full(count, np.nan)


def array_of(value: ir.Value | None) -> npt.NDArray[np.generic] | None:
    """The array of an initializer that no caller can override; None for anything computed at run time."""
    if value is None or value.const_value is None or not value.is_initializer() or value.is_graph_input():
        return None
    return value.const_value.numpy()


class Constants:
    """What is known of every tracked axis, and, read off on demand, of every constant tensor."""

    def __init__(self, spaces: Spaces) -> None:
        self.spaces = spaces
        self._numbers: dict[Axis, Numbers] = {}
        self._patterns: dict[tuple[ir.Value, int, int], Pattern] = {}

    def put(self, value: ir.Value, axis: int, numbers: Numbers) -> None:
        """Record an axis; an infinite number counts as not known, since folding it would make nan."""
        known = np.isfinite(numbers) & _is_floating(value)
        self._numbers[value, axis] = np.where(known, numbers, np.nan)

    def of(self, value: ir.Value, axis: int) -> Numbers:
        """The numbers along an axis, float64 of shape (size of the axis,)."""
        known = self._numbers.get((value, axis))
        if known is None:
            known = self._read_off(value, axis)
            self._numbers[value, axis] = known
        return known

    def scalar(self, value: ir.Value) -> float:
        """The one number a whole constant tensor holds, or nan."""
        array = array_of(value) if _is_floating(value) else None
        if array is None or array.size == 0:
            return np.nan
        first = array.reshape(-1)[0]
        return float(first) if (array == first).all() else np.nan

    def nonzero(self, weight: ir.Value, rows: int, columns: int) -> Pattern:
        """Where a weight is not zero.

        Args:
            weight: A constant of any rank.
            rows: Its axis of units written.
            columns: Its axis of units read.

        Returns:
            Truth values of shape (rows, columns), looked up only once.
        """
        known = self._patterns.get((weight, rows, columns))
        if known is None:
            array = array_of(weight)
            assert array is not None
            taps = np.moveaxis(array, (rows, columns), (0, 1))
            known = _any_tap(taps.reshape(*taps.shape[:2], -1))
            self._patterns[weight, rows, columns] = known
        return known

    def _read_off(self, value: ir.Value, axis: int) -> Numbers:
        array = array_of(value)
        if array is None or not _is_floating(value):
            assert value.shape is not None
            size = value.shape[axis]
            return varying(size if isinstance(size, int) else 0)
        if array.size == 0:
            return varying(array.shape[axis])
        rows = np.moveaxis(array, axis, 0).reshape(array.shape[axis], -1)
        numbers = rows[:, 0].astype(np.float64)
        same = np.isfinite(numbers) & (rows == rows[:, :1]).all(axis=1)
        return np.where(same, numbers, np.nan)


def _is_floating(value: ir.Value) -> bool:
    return value.dtype is not None and value.dtype.is_floating_point()


def _any_tap(taps: npt.NDArray[np.generic]) -> Pattern:
    """(rows, columns, taps) -> whether any tap is not zero; tap by tap, which needs no big temporary."""
    found = np.zeros(taps.shape[:2], dtype=bool)
    for tap in range(taps.shape[2]):
        found |= taps[:, :, tap] != 0
    return found
