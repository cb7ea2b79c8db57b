"""Which units can leave, and how what they contribute is kept: decided here, carried out by `remove_units`.

A class of units can leave if nothing pins it and every contraction that reads one of its units either finds a
constant there (which is folded) or does not demand it. Behind zero padding a non-zero constant cannot be
folded into the bias, because the border lacks it: then one carrier stays and takes over the others' columns.
Some units stay that could leave: a carrier, what keeps groups equal (`balance`), the last of an axis.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import onnx_ir as ir

from edgeshrink.bake.balance import keep_balance
from edgeshrink.graph.analysis import Analysis
from edgeshrink.graph.constants import Numbers
from edgeshrink.graph.demand import Mask
from edgeshrink.graph.operators.base import describe, operator_of
from edgeshrink.graph.spaces import Read, Units

__all__ = ["Plan", "plan_removal"]

_WEAKEST_CARRIER = 0.1
"""A carrier's constant must be at least this share of the largest it stands for. Its own rounding error at
run time is multiplied by their ratio; ten times float32's is still far below what any reader can see."""


@dataclass
class Plan:
    """What leaves.

    Attributes:
        analysis: What the plan was made from.
        leaves: One truth value per unit id.
        carriers: For a padded read, the index along its axis that takes over the constants of the removed.
        reasons: Why classes of units that look dead stay, by class.
    """

    analysis: Analysis
    leaves: Mask
    carriers: dict[Read, int] = field(default_factory=dict)
    reasons: dict[int, str] = field(default_factory=dict)

    def removed(self, units: Units) -> Mask:
        """Which of these units leave."""
        return self.leaves[units]

    def kept(self, value: ir.Value, axis: int) -> Mask:
        """Which indices along an axis stay: all of them where it is not tracked."""
        units = self.analysis.spaces.get(value, axis)
        if units is None:
            size = value.shape[axis] if value.shape is not None else 1
            return np.ones(size if isinstance(size, int) else 1, dtype=bool)
        return ~self.removed(units)


@dataclass(frozen=True)
class _Border:
    """What one padded contraction must find at its border.

    Attributes:
        read: The contraction.
        classes: The class of each index along the stretch it reads.
        constants: The constant there if it is demanded, 0 where there is none to carry.
    """

    read: Read
    classes: Units
    constants: Numbers

    def lacks_carrier(self, alive: Mask) -> bool:
        """Whether constants leave and no index that stays is strong enough to take them over."""
        strength = np.abs(self.constants)
        stays = alive[self.classes]
        leaving, staying = strength[~stays].max(initial=0.0), strength[stays].max(initial=0.0)
        return bool(leaving > 0 and staying < leaving * _WEAKEST_CARRIER)

    def able(self) -> Mask:
        """Which indices could carry all the others."""
        strength = np.abs(self.constants)
        return np.asarray((strength > 0) & (strength >= strength.max(initial=0.0) * _WEAKEST_CARRIER))

    def strongest(self, alive: Mask) -> int:
        """The index, along the whole axis, that stays and holds the largest constant."""
        strongest = np.argmax(np.where(alive[self.classes], np.abs(self.constants), -1.0))
        return int(strongest) + (self.read.indices.start or 0)


def plan_removal(analysis: Analysis) -> Plan:
    """Decide which classes of units leave a graph; exact for every finite input."""
    labels = analysis.partition.labels
    reasons = dict(analysis.partition.reasons)
    alive = np.zeros(labels.size, dtype=bool)
    alive[list(reasons)] = True
    borders = []
    for read in analysis.spaces.reads:
        classes, numbers, demanded = _seen_by(analysis, read)
        alive[classes[demanded & np.isnan(numbers)]] = True
        if read.padded:
            borders.append(_Border(read, classes, np.where(demanded & np.isfinite(numbers), numbers, 0.0)))
    for border in borders:
        if not operator_of(border.read.node).can_absorb_in_weight(border.read.node):
            needed = border.classes[border.constants != 0]
            _keep(needed, alive, reasons, "a constant behind zero padding, for a weight that others read too")
    while True:  # each of these only ever keeps more, which the others may have to answer
        before = alive.copy()
        keep_balance(analysis, alive, reasons)
        _choose_carriers(borders, alive, reasons)
        _leave_one(analysis, alive, reasons)
        if np.array_equal(alive, before):
            break
    carriers = {border.read: border.strongest(alive) for border in borders if border.constants.any()}
    return Plan(analysis, ~alive[labels], carriers, reasons)


def _seen_by(analysis: Analysis, read: Read) -> tuple[Units, Numbers, Mask]:
    """The classes, constants and demanded columns a contraction sees along the stretch it reads."""
    units = analysis.spaces.get(*read.axis)
    assert units is not None
    classes, numbers = analysis.partition.labels[units], analysis.constants.of(*read.axis)
    demanded = analysis.demand.by_read(read.node, read.axis)
    return classes[read.indices], numbers[read.indices], demanded[read.indices]


def _keep(classes: Units, alive: Mask, reasons: dict[int, str], reason: str) -> None:
    for label in np.unique(classes[~alive[classes]]):
        reasons.setdefault(int(label), reason)
    alive[classes] = True


def _choose_carriers(borders: list[_Border], alive: Mask, reasons: dict[int, str]) -> None:
    """Keep few classes that serve every padded read that has constants to carry.

    Read after read takes, of the classes strong enough for it, the one that could serve most others too, and
    of those the one with the largest constant.
    """
    serves = np.zeros(alive.size, dtype=np.int64)
    for border in borders:
        serves[np.unique(border.classes[border.able()])] += 1
    for border in borders:
        if border.lacks_carrier(alive):
            able = np.flatnonzero(border.able() & ~alive[border.classes])
            order = np.lexsort((np.abs(border.constants[able]), serves[border.classes[able]]))
            best = border.classes[able[order[-1:]]]
            by = describe(border.read.node)
            _keep(
                best, alive, reasons, f"carries the constants of removed units past the zero padding of {by}"
            )


def _leave_one(analysis: Analysis, alive: Mask, reasons: dict[int, str]) -> None:
    """No axis may become empty: ONNX has no layer of zero channels."""
    labels = analysis.partition.labels
    for _, units in analysis.spaces.tracked():
        classes = labels[units]
        if not alive[classes].any():
            _keep(classes[:1], alive, reasons, "the last unit of its layer")
