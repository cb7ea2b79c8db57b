"""How the axes of two shapes with the same elements in the same order are made of common factors.

Reshape [2, 12] -> [6, 4] has the factors 2 | 3 | 4: axis 0 of length 2 is the first, axis 1 of length 12 the
two others; on the other side 6 is the first two, 4 the last. All that a reshape does to units can be said
factor by factor. Lengths only known at run time take part under a stand-in, a prime that divides nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import gcd, prod

from edgeshrink.graph.operators.base import Size

__all__ = ["Run", "runs"]

_PRIMES = (2**31 - 1, 2**61 - 1, 2**89 - 1, 2**107 - 1, 2**127 - 1, 2**521 - 1, 2**607 - 1, 2**1279 - 1)
"""Mersenne primes: no length that a tensor can have is a multiple of one by chance."""


@dataclass(frozen=True)
class Run:
    """Some neighbouring axes on either side that hold the same elements.

    Attributes:
        factors: The common factors, in order.
        sources: For each input axis of the run, the numbers of the factors that make it.
        targets: The same for each output axis.
    """

    factors: tuple[int, ...]
    sources: dict[int, range]
    targets: dict[int, range]


def runs(before: Sequence[Size], after: Sequence[Size]) -> Iterator[Run]:
    """Split two shapes of the same elements into the shortest runs of equal product, with their factors.

    Axes of length 1 belong to no run; nor do axes whose lengths have no common factors (2 * 3 against 3 * 2),
    or cannot be compared because they are only known at run time.
    """
    if any(size == 0 for size in (*before, *after)):
        return
    named = _named(before, after)
    if named is None:
        return
    left, right = ([(axis, size) for axis, size in enumerate(shape) if size != 1] for shape in named)
    yield from _from_the_front(left, right)
    left.reverse()
    right.reverse()
    for run in _from_the_front(left, right):  # what is left, from the end
        yield _mirrored(run)


_Axes = list[tuple[int, int]]
"""Axis numbers with their lengths."""


def _from_the_front(left: _Axes, right: _Axes) -> Iterator[Run]:
    """Take runs off the front of both lists, until the next run has no end."""
    while left and right:
        i = j = 1
        a, b = left[0][1], right[0][1]
        while a != b:
            if (a < b and i == len(left)) or (a > b and j == len(right)):
                return
            if a < b:
                a, i = a * left[i][1], i + 1
            else:
                b, j = b * right[j][1], j + 1
        run = _factored(left[:i], right[:j])
        del left[:i], right[:j]
        if run is not None:
            yield run


def _factored(left: _Axes, right: _Axes) -> Run | None:
    ends = {prod(size for _, size in axes[: i + 1]) for axes in (left, right) for i in range(len(axes))}
    factors, last = [], 1
    for end in sorted(ends):
        if end % last:
            return None
        factors.append(end // last)
        last = end
    return Run(tuple(factors), _spans(left, factors), _spans(right, factors))


def _spans(axes: _Axes, factors: list[int]) -> dict[int, range]:
    spans, start = {}, 0
    for axis, size in axes:
        stop, product = start, 1
        while product < size:
            product *= factors[stop]
            stop += 1
        spans[axis] = range(start, stop)
        start = stop
    return spans


def _mirrored(run: Run) -> Run:
    count = len(run.factors)
    sides = [
        {axis: range(count - span.stop, count - span.start) for axis, span in side.items()}
        for side in (run.sources, run.targets)
    ]
    return Run(run.factors[::-1], *sides)


def _named(before: Sequence[Size], after: Sequence[Size]) -> tuple[list[int], list[int]] | None:
    """Both shapes with a prime in place of each length that is not known; None if there are too many.

    A name that is on both sides is the same length there. If one length is left on each side, the two are
    known up to one number t: with p and q the products of what is known, a = t * q / gcd and b = t * p / gcd.
    """
    primes = iter(_PRIMES)
    left, right = [_known(size) for size in before], [_known(size) for size in after]
    names = [Counter(_name(size) for size in shape if _name(size) is not None) for shape in (before, after)]
    shared = {name: next(primes, None) for name in names[0] if names[0][name] == names[1][name]}
    for shape, filled in ((before, left), (after, right)):
        for axis, size in enumerate(shape):
            filled[axis] = filled[axis] if filled[axis] is not None else shared.get(_name(size))
    open_left = [axis for axis, size in enumerate(left) if size is None]
    open_right = [axis for axis, size in enumerate(right) if size is None]
    if len(open_left) == len(open_right) == 1:
        p, q = (prod(size for size in shape if size is not None) for shape in (left, right))
        t = next(primes, None)
        if t is None:
            return None
        left[open_left[0]], right[open_right[0]] = t * (q // gcd(p, q)), t * (p // gcd(p, q))
    for filled in (left, right):
        for axis, length in enumerate(filled):
            filled[axis] = length if length is not None else next(primes, None)
    if None in left or None in right:
        return None
    return [size for size in left if size is not None], [size for size in right if size is not None]


def _known(size: Size) -> int | None:
    return size if isinstance(size, int) else None


def _name(size: Size) -> str | None:
    return None if isinstance(size, int) else size.value
