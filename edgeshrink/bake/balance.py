"""Groups that must stay equal: which units stay that could leave, so that no group has fewer than another.

A grouped Conv has one number of inputs and one of outputs for all its groups, a bidirectional LSTM one number
of hidden units for both directions. Where groups would lose unequally, the poorer ones keep some of theirs.
"""

from __future__ import annotations

import numpy as np

from edgeshrink.graph.analysis import Analysis
from edgeshrink.graph.demand import Mask
from edgeshrink.graph.operators.base import describe
from edgeshrink.graph.spaces import Balance, Units

__all__ = ["keep_balance"]


def keep_balance(analysis: Analysis, alive: Mask, reasons: dict[int, str]) -> None:
    """Keep classes of units until every balance holds, of each group those that take the fewest others along.

    Args:
        analysis: Whose spaces hold the balances.
        alive: One truth value per class, those that stay so far; more are set.
        reasons: Why classes stay, by class; added to.
    """
    if not analysis.spaces.balances:
        return
    labels = analysis.partition.labels
    burden = np.bincount(labels, minlength=labels.size)
    balances = [(balance, [labels[side] for side in balance.sides]) for balance in analysis.spaces.balances]
    changed = True
    while changed:  # a class may be in several groups, so that filling one can make another richer
        changed = False
        for balance, sides in balances:
            for label in _missing(balance, sides, alive, burden):
                reasons.setdefault(label, f"keeps the groups of {describe(balance.node)} equal")
                alive[label] = changed = True


def _missing(balance: Balance, sides: list[Units], alive: Mask, burden: Units) -> set[int]:
    """The classes to keep next, so that each group comes nearer to the richest; none if all is well.

    Args:
        balance: The rule.
        sides: The classes of its units, each (groups, units in a group).
        alive: Which classes stay.
        burden: How many units there are in each class.
    """
    stays = np.logical_or.reduce([alive[side].any(axis=1) for side in sides])
    if not balance.whole_groups:
        stays[:] = True
    elif not stays.any():
        stays[0] = True
    missing: set[int] = set()
    for side in sides:
        counts = alive[side].sum(axis=1)
        goal = max(int(counts.max()), 1)
        for group in np.flatnonzero(stays & (counts < goal)):
            spare = np.unique(side[group][~alive[side[group]]])
            order = np.argsort(burden[spare], kind="stable")
            missing.update(spare[order[: goal - counts[group]]].tolist())
    return missing
