"""Which units can leave, and how what they contribute is kept: decided here, carried out by `remove_units`.

A class of units can leave if nothing pins it and every contraction that reads one of its units either finds a
constant there (which is folded) or does not demand it. Behind zero padding a non-zero constant cannot be folded
into the bias, because the border lacks it: then one carrier stays and takes over the others' columns.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from edgeshrink.graph.analysis import Analysis
from edgeshrink.graph.constants import Numbers
from edgeshrink.graph.spaces import Read, Units

__all__ = ["Plan", "plan_removal"]

Mask = npt.NDArray[np.bool_]


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


def plan_removal(analysis: Analysis) -> Plan:
    """Decide which classes of units leave a graph; exact for every finite input."""
    labels = analysis.partition.labels
    alive = np.zeros(labels.size, dtype=bool)
    reasons = dict(analysis.partition.reasons)
    alive[list(analysis.partition.reasons)] = True
    padded = []
    for read in analysis.spaces.reads:
        classes, numbers, demanded = _seen_by(analysis, read)
        alive[classes[demanded & np.isnan(numbers)]] = True
        if read.padded:
            border = np.where(demanded & np.isfinite(numbers), numbers, 0.0)
            if _shares_its_weight(read):
                _keep(
                    classes[border != 0], alive, reasons, "a constant behind zero padding in shared weights"
                )
            else:
                padded.append((read, classes, border))
    _choose_carriers(padded, alive, reasons)
    _leave_one(analysis, alive, reasons)
    plan = Plan(analysis, ~alive[labels], reasons=reasons)
    plan.carriers = {
        read: _strongest(border, alive[classes]) for read, classes, border in padded if border.any()
    }
    return plan


def _seen_by(analysis: Analysis, read: Read) -> tuple[Units, Numbers, Mask]:
    """The classes, constants and demanded columns a contraction sees along the axis it reads."""
    units = analysis.spaces.get(*read.axis)
    assert units is not None
    classes = analysis.partition.labels[units]
    return classes, analysis.constants.of(*read.axis), analysis.demand.by_read(read.node, read.axis)


def _shares_its_weight(read: Read) -> bool:
    weight = read.node.inputs[1]
    assert weight is not None
    return len(weight.uses()) > 1


def _keep(classes: Units, alive: Mask, reasons: dict[int, str], reason: str) -> None:
    for label in classes[~alive[classes]]:
        reasons.setdefault(int(label), reason)
    alive[classes] = True


def _choose_carriers(padded: list[tuple[Read, Units, Numbers]], alive: Mask, reasons: dict[int, str]) -> None:
    """Keep, greedily, as few classes as serve every padded read that has constants to carry.

    Of classes that serve equally many reads the one with the largest constant is taken, for accuracy.
    """
    open_reads = [entry for entry in padded if _needs_carrier(entry, alive)]
    while open_reads:
        served: dict[int, tuple[int, float]] = {}
        for _, classes, border in open_reads:
            for label in np.unique(classes[border != 0]):
                count, weakest = served.get(int(label), (0, np.inf))
                strength = float(np.abs(border[classes == label]).max())
                served[int(label)] = (count + 1, min(weakest, strength))
        best = max(served, key=lambda label: served[label])
        names = ", ".join(sorted({str(read.node.name) for read, classes, _ in open_reads if best in classes}))
        alive[best] = True
        reasons.setdefault(
            best, f"carries the constants of the removed units past the zero padding of {names}"
        )
        open_reads = [entry for entry in open_reads if _needs_carrier(entry, alive)]


def _needs_carrier(entry: tuple[Read, Units, Numbers], alive: Mask) -> bool:
    """Whether some constant of a padded read leaves while none stays to carry it."""
    _, classes, border = entry
    leaving = (border != 0) & ~alive[classes]
    staying = (border != 0) & alive[classes]
    return bool(leaving.any() and not staying.any())


def _strongest(border: Numbers, staying: Mask) -> int:
    return int(np.argmax(np.where(staying, np.abs(border), -1.0)))


def _leave_one(analysis: Analysis, alive: Mask, reasons: dict[int, str]) -> None:
    """No axis may become empty: ONNX has no layer of zero channels."""
    labels = analysis.partition.labels
    for (_, _), units in analysis.spaces.tracked():
        classes = labels[units]
        if not alive[classes].any():
            reasons.setdefault(int(classes[0]), "the last unit of its layer")
            alive[classes[0]] = True
