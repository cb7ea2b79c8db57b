"""Which rows of a table are alike: equal in their keys and proportional in their numbers.

Proportional is what agrees to two units in the last place, element by element: rows that were stored as
multiples of one another carry a rounding each. A network that takes one for a multiple of the other changes
every product in a sum by at most 2.4e-7 of itself: no more than what each addition of float32 may round, so
what summing in another order may do as well.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

__all__ = ["FLOAT32_STEP", "Integers", "Table", "alike"]

Integers = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

FLOAT32_STEP = float(np.finfo(np.float32).eps)

_CLOSE = 1e-5
"""How far projections of proportional rows may lie apart: the noise of summing them in float32, and room."""

_WIDEST = 2.0**16
"""The largest factor between rows: beyond it numbers might leave their type's range."""

_LOOKED_AT = 256
"""About how many numbers of a long row are looked at first."""

_MOST_LEADERS = 64
"""Of rows whose projections agree, how many different ones are told apart; later ones stay alone."""


@dataclass
class Table:
    """Rows to compare.

    Attributes:
        keys: int64 of shape (rows, any): must be equal.
        numbers: Floats of shape (rows, any): must be proportional.
        step: The relative distance of neighbouring numbers of their type; two of it are allowed.
    """

    keys: Integers
    numbers: npt.NDArray[np.floating]
    step: float = FLOAT32_STEP
    leader: Integers = field(init=False)
    factor: Floats = field(init=False)

    def __post_init__(self) -> None:
        count = self.numbers.shape[0]
        self.leader, self.factor = np.arange(count), np.ones(count)
        self.step = min(self.step, FLOAT32_STEP)


def alike(table: Table) -> tuple[Integers, Floats]:
    """Find for each row the first that is like it, and by what factor it is larger.

    Candidates are found by projections on fixed directions, sorted; then compared number by number.

    Returns:
        leader: int64 of shape (rows,), the row's own index if it is like none before it.
        factor: float64 of shape (rows,), negative where the signs differ: row = factor * row of the leader.
    """
    for cluster in _clusters(table):
        leaders: list[int] = []
        for row in cluster:
            for leader in leaders:
                factor = _factor(table, row, leader)
                if factor is not None:
                    table.leader[row], table.factor[row] = leader, factor
                    break
            else:
                if len(leaders) < _MOST_LEADERS:
                    leaders.append(row)
    return table.leader, table.factor


def _clusters(table: Table) -> Iterator[list[int]]:
    """Rows of equal keys whose projections agree but for rounding, two and more together, in order."""
    numbers = table.numbers
    if numbers.shape[0] < 2 or numbers.shape[1] == 0:
        return
    _, kinds = np.unique(table.keys, axis=0, return_inverse=True)
    kinds = kinds.reshape(-1)
    if kinds.max() == kinds.size - 1:
        return
    few = max(numbers.shape[1] // _LOOKED_AT, 1)
    first = _projections(numbers[:, ::few], 1.0)
    empty = np.flatnonzero(~np.isfinite(first))
    first[empty] = _projections(numbers[empty], 1.0)
    for run in _runs(np.flatnonzero(np.isfinite(first)), first, kinds):
        second = np.full(first.shape, np.nan)
        second[run] = _projections(numbers[run], 1.7)
        for part in _runs(run, second, kinds):
            yield sorted(part.tolist())


def _projections(numbers: npt.NDArray[np.floating], pitch: float) -> Floats:
    """How far each row, made one long, reaches along a direction; the same for a row and its multiples."""
    direction = np.cos(pitch * np.arange(numbers.shape[1]) + 1.0).astype(numbers.dtype)
    with np.errstate(all="ignore"):
        norms = np.sqrt(np.einsum("ij,ij->i", numbers, numbers))
        along: Floats = np.abs(np.einsum("ij,j->i", numbers, direction) / norms).astype(np.float64)
    return along


def _runs(rows: Integers, projections: Floats, kinds: Integers) -> Iterator[Integers]:
    """The rows in order of their projections, cut where these are apart; pieces of two rows and more."""
    order = rows[np.lexsort((rows, projections[rows], kinds[rows]))]
    apart = (np.diff(kinds[order]) != 0) | (np.diff(projections[order]) > _CLOSE)
    ends = np.append(np.flatnonzero(apart), order.size - 1) + 1
    starts = np.append(0, ends[:-1])
    for which in np.flatnonzero(ends - starts > 1):
        yield order[starts[which] : ends[which]]


def _factor(table: Table, row: int, leader: int) -> float | None:
    """By what a row is larger than another, None if they are not alike; 1 and -1 exactly if they can be."""
    a, b = table.numbers[row].astype(np.float64), table.numbers[leader].astype(np.float64)
    if not np.array_equal(table.keys[row], table.keys[leader]):
        return None
    with np.errstate(all="ignore"):  # nan, where squares leave the range of float64
        factor = float((a @ b) / (b @ b))
    if not 1 / _WIDEST <= abs(factor) <= _WIDEST:
        return None
    if abs(abs(factor) - 1) <= 2 * table.step:
        factor = float(np.sign(factor))
    same = np.abs(a - factor * b) <= 2 * table.step * np.abs(a)
    return factor if bool(same.all()) else None
