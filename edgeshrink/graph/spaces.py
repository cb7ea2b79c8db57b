"""Channel spaces: which unit every index along every tracked axis of every value is.

A *unit* is one index that can only be removed as a whole: a filter, together with its row in BatchNorm, its
place in a residual sum and its column in the layers that read it. Each tracked axis of a value holds an array
of unit ids, one per index. Operators hand these arrays on (Relu), repeat them (Flatten), join them (Concat)
or tie two of them together (Add). Weights are values like any other: a Conv's weight has its output units on
axis 0 and the units it reads on axis 1, so cutting a weight is the same operation as cutting an activation.

An axis that is not tracked can never become shorter: unknown is always safe.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import onnx_ir as ir

__all__ = ["Axis", "Balance", "Partition", "Read", "Spaces", "Units"]

Axis = tuple[ir.Value, int]
"""A value and the number of one of its dimensions, counted from 0."""

Units = npt.NDArray[np.int64]
"""Unit ids, one per index along an axis."""


@dataclass(frozen=True)
class Read:
    """A contraction: where a node sums over an axis with constant weights, and so ends a space.

    Attributes:
        node: The contracting node (Conv, Gemm, MatMul).
        axis: The axis of the activation that is summed over.
        padded: Whether the sum at the border lacks some positions, so that a constant input does not give a
            constant contribution (a Conv with zero padding).
        span: The stretch of the axis that is summed, from and up to; None: all of it. A grouped Conv reads
            once a group, since what one group's units leave behind only units of that group can carry.
    """

    node: ir.Node
    axis: Axis
    padded: bool
    span: tuple[int, int] | None = None

    @property
    def indices(self) -> slice:
        """The stretch of the axis that is summed."""
        return slice(*self.span) if self.span is not None else slice(None)


@dataclass(frozen=True, eq=False)
class Balance:
    """Groups of units of which equal numbers must stay: what a grouped Conv or two directions ask for.

    Attributes:
        node: Who asks for it.
        sides: Unit ids of shape (groups, units in a group), for instance what a grouped Conv reads and what
            it writes. On each side every group must keep as many units as every other, and at least one.
        whole_groups: Whether a group may leave as a whole: with all of its units, on all sides at once.
    """

    node: ir.Node
    sides: tuple[Units, ...]
    whole_groups: bool


class Spaces:
    """The unit ids of every tracked axis, and what ties, pins and reads them; filled operator by operator."""

    def __init__(self) -> None:
        self.reads: list[Read] = []
        self.balances: list[Balance] = []
        self._units: dict[Axis, Units] = {}
        self._ties: list[tuple[Units, Units]] = []
        self._pins: list[tuple[Units, str]] = []
        self._pinned_axes: list[tuple[Axis, str]] = []
        self._count = 0

    def fresh(self, count: int) -> Units:
        """Begin a space of `count` new units."""
        self._count += count
        return np.arange(self._count - count, self._count)

    def get(self, value: ir.Value, axis: int) -> Units | None:
        """The units along an axis, or None where it is not tracked."""
        return self._units.get((value, axis))

    def put(self, value: ir.Value, axis: int, units: Units) -> None:
        """Say which units an axis holds; where it already holds some, the two are tied index by index."""
        known = self._units.setdefault((value, axis), units)
        if known is not units:
            self.tie(known, units)

    def tie(self, a: Units, b: Units) -> None:
        """Say that a[i] and b[i] live and die together."""
        if a.shape != b.shape:
            raise ValueError(f"cannot tie {a.size} units to {b.size}")
        self._ties.append((a, b))

    def follow(self, source: ir.Value, target: ir.Value) -> None:
        """Say that a value put behind another has the same units on every axis."""
        for axis in self.axes_of(source):
            self.put(target, axis, self._units[source, axis])

    def pin(self, units: Units, reason: str) -> None:
        """Say that these units must stay, and why."""
        self._pins.append((units, reason))

    def pin_axis(self, value: ir.Value, axis: int, reason: str) -> None:
        """Say that an axis must keep its length, also if it comes to be tracked later."""
        self._pinned_axes.append(((value, axis), reason))

    def pin_value(self, value: ir.Value, reason: str) -> None:
        """Say that all axes of a value must keep their length."""
        for axis in range(len(value.shape) if value.shape is not None else 0):
            self.pin_axis(value, axis, reason)

    def read(
        self,
        node: ir.Node,
        value: ir.Value,
        axis: int,
        *,
        padded: bool = False,
        span: tuple[int, int] | None = None,
    ) -> None:
        """Record that a node contracts this axis, or a stretch of it, with constant weights."""
        self.reads.append(Read(node, (value, axis), padded, span))

    def balance(self, node: ir.Node, *sides: Units, whole_groups: bool) -> None:
        """Record that equal numbers of units of every group must stay, see `Balance`."""
        self.balances.append(Balance(node, sides, whole_groups))

    def tracked(self) -> Iterator[tuple[Axis, Units]]:
        """All tracked axes with their units."""
        return iter(self._units.items())

    def axes_of(self, value: ir.Value) -> list[int]:
        """The tracked axes of a value."""
        rank = len(value.shape) if value.shape is not None else 0
        return [axis for axis in range(rank) if (value, axis) in self._units]

    def solve(self) -> Partition:
        """Join all ties into classes of units, with the first reason each pinned class must stay."""
        labels = _components(self._count, self._ties)
        reasons: dict[int, str] = {}
        pinned_axes = [
            (self._units[axis], reason) for axis, reason in self._pinned_axes if axis in self._units
        ]
        for units, reason in [*self._pins, *pinned_axes]:
            for label in np.unique(labels[units]):
                reasons.setdefault(int(label), reason)
        return Partition(labels, reasons)


@dataclass(frozen=True)
class Partition:
    """Units joined into classes that live and die together.

    Attributes:
        labels: The class of each unit id; a class is named by its smallest unit.
        reasons: Why a pinned class must stay.
    """

    labels: Units
    reasons: dict[int, str]


def _components(count: int, ties: list[tuple[Units, Units]]) -> Units:
    """Label every unit with the smallest unit it is tied to, directly or through others.

    Takes the minimum over each tie and then follows labels to their own label until nothing changes, all in
    numpy: a few rounds even for long chains.
    """
    labels = np.arange(count)
    if not ties:
        return labels
    a = np.concatenate([tie[0] for tie in ties])
    b = np.concatenate([tie[1] for tie in ties])
    while True:
        low = np.minimum(labels[a], labels[b])
        before = labels.copy()
        np.minimum.at(labels, before[a], low)
        np.minimum.at(labels, before[b], low)
        while not np.array_equal(jumped := labels[labels], labels):
            labels = jumped
        if np.array_equal(labels, before):
            return labels
