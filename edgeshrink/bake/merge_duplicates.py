"""Merge duplicates: w_i x_i + w_j x_j, where x_i = s x_j for every input  ->  (w_j + s w_i) x_j.

Exact: the units are proved to carry the same values up to a factor (see `graph.numbering`), so their columns
may be added up; this sums the same products in another order. A unit is merged if every layer that reads it
finds a partner there that stays; then nobody reads it any more, and `RemoveUnits` takes it away.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx_ir as ir

from edgeshrink.bake.base import BakePass
from edgeshrink.bake.remove_units import RemoveUnits
from edgeshrink.graph.analysis import Analysis, analyse
from edgeshrink.graph.constants import array_of
from edgeshrink.graph.edit import replace_weight
from edgeshrink.graph.likeness import Integers
from edgeshrink.graph.numbering import CONSTANT, Numbered
from edgeshrink.graph.operators import operator_of
from edgeshrink.graph.operators.contraction import Contraction
from edgeshrink.graph.spaces import Read
from edgeshrink.graph.value_rules import distinct_rows, number_values

__all__ = ["MergeDuplicates"]


class MergeDuplicates(BakePass):
    """Merge units that carry the same values, or multiples, and remove what is left over."""

    def rewrite(self, model: ir.Model) -> dict[str, int]:
        """Returns the number of classes of units merged, of units removed then, and of rounds."""
        merged = removed = rounds = 0
        while count := _merge(model.graph):
            rounds += 1
            merged += count
            removed += RemoveUnits().rewrite(model).get("units", 0)
        return {"merged": merged, "units": removed, "rounds": rounds} if merged else {}


@dataclass
class _Seen:
    """What a layer reads.

    Attributes:
        read: The layer and the axis.
        numbered: What is alike along the axis.
        classes: The class of units at each index.
        members: By number, the demanded indices that bear it.
    """

    read: Read
    numbered: Numbered
    classes: Integers
    members: dict[int, list[int]] = field(default_factory=dict)


def _merge(graph: ir.Graph) -> int:
    """One round; returns how many classes are read no more."""
    if all(distinct_rows(node) for node in graph):
        return 0
    analysis = analyse(graph)
    seen, held = _survey(graph, analysis)
    leaving = _choose(seen, held)
    moved = sum(_move_columns(each, leaving) for each in seen)
    return len(leaving) if moved else 0


def _survey(graph: ir.Graph, analysis: Analysis) -> tuple[list[_Seen], set[int]]:
    """What layers read whose columns can be moved, and the classes that must stay for other reasons."""
    numbering = number_values(graph, analysis)
    held = set(analysis.partition.reasons)
    seen = []
    for read in analysis.spaces.reads:
        units = analysis.spaces.get(*read.axis)
        assert units is not None
        classes = analysis.partition.labels[units]
        demanded = np.zeros(units.shape, dtype=bool)
        demanded[read.indices] = np.broadcast_to(analysis.demand.by_read(read.node, read.axis), units.shape)[
            read.indices
        ]
        demanded &= analysis.constants.of(*read.axis) != 0  # what is zero adds nothing
        numbered = numbering.of(*read.axis)
        movable = _is_movable(read, numbered)
        fixed = demanded & (numbered.numbers == CONSTANT) if movable else demanded
        held.update(classes[fixed].tolist())
        if movable:
            each = _Seen(read, numbered, classes)
            for index in np.flatnonzero(demanded & ~fixed):
                each.members.setdefault(int(numbered.numbers[index]), []).append(int(index))
            seen.append(each)
    return seen, held


def _is_movable(read: Read, numbered: Numbered) -> bool:
    """Whether a read is a plain sum over the columns of a weight that nobody else sees."""
    operator, weight = operator_of(read.node), array_of(read.node.inputs[1])
    if not isinstance(operator, Contraction) or read.span is not None:
        return False
    axes = operator.axes(read.node)
    if axes is None or weight is None or read.axis != (read.node.inputs[0], axes.source):
        return False
    return operator.can_absorb_in_weight(read.node) and weight.shape[axes.columns] == numbered.numbers.size


def _choose(seen: list[_Seen], held: set[int]) -> set[int]:
    """Classes that can leave: wherever a layer reads one, another class of the same number stays.

    Of two alike the later leaves.
    """
    places: dict[int, list[tuple[int, int]]] = defaultdict(list)
    staying: dict[tuple[int, int], set[int]] = {}
    for which, each in enumerate(seen):
        for number, indices in each.members.items():
            labels = set(each.classes[indices].tolist())
            staying[which, number] = labels
            for label in labels:
                places[label].append((which, number))
    leaving: set[int] = set()
    for label in sorted(places, reverse=True):
        if label not in held and all(len(staying[place]) > 1 for place in places[label]):
            leaving.add(label)
            for place in places[label]:
                staying[place].discard(label)
    return leaving


def _move_columns(each: _Seen, leaving: set[int]) -> int:
    """Add the columns of what leaves, scaled, to that of its largest partner that stays; returns how many.

    They stay where their sum leaves the range of the weight's type.
    """
    operator, weight = operator_of(each.read.node), each.read.node.inputs[1]
    assert isinstance(operator, Contraction)
    assert weight is not None
    axes, array = operator.axes(each.read.node), array_of(weight)
    assert axes is not None
    assert array is not None
    moved: npt.NDArray[Any] | None = None
    count = 0
    for indices in each.members.values():
        gone = [index for index in indices if int(each.classes[index]) in leaving]
        if not gone:
            continue
        if moved is None:
            moved = np.moveaxis(array.copy(), axes.columns, 0)
        stays = [index for index in indices if index not in gone]
        scales = each.numbered.scales
        partner = max(stays, key=lambda index: abs(scales[index]))
        total = moved[partner].astype(np.float64)
        for index in gone:
            total += moved[index].astype(np.float64) * (scales[index] / scales[partner])
        with np.errstate(over="ignore"):
            stored = total.astype(moved.dtype)
        if np.isfinite(stored).all():
            moved[partner], moved[gone] = stored, 0
            count += len(gone)
    if moved is not None:
        replace_weight(weight, np.moveaxis(moved, 0, axes.columns))
    return count
