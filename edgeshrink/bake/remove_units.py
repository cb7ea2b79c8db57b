"""Remove dead, constant and undemanded units: y = W x + b  ->  y = W[:, kept] x[kept] + (b + W[:, gone] c).

Exact: a removed unit is either not demanded (every weight that reads it towards an output is zero) or carries
a constant c for every input and position, and what it contributes is folded into the reader's bias; behind
zero padding, into the column of one carrier, so that borders stay as they were (see `plan`).
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from edgeshrink.bake.base import BakePass
from edgeshrink.bake.plan import Plan, plan_removal
from edgeshrink.graph.analysis import analyse
from edgeshrink.graph.constants import array_of
from edgeshrink.graph.edit import replace_weight, unshare_vectors
from edgeshrink.graph.operators import operator_of

__all__ = ["RemoveUnits"]


class RemoveUnits(BakePass):
    """Remove units to a fixed point: what one removal leaves unread goes in the next round."""

    def rewrite(self, model: ir.Model) -> dict[str, int]:
        """Returns the number of units removed, of rounds, and of shared vectors copied."""
        graph = model.graph
        copies = unshare_vectors(graph)
        removed = rounds = 0
        while True:
            plan = plan_removal(analyse(graph))
            if not plan.leaves.any():
                done = {"units": removed, "rounds": rounds, "copies": copies}
                return done if any(done.values()) else {}
            rounds += 1
            _absorb(plan)
            removed += _cut(plan, graph)


def _absorb(plan: Plan) -> None:
    """Fold what leaves into biases and carriers, while all weights still have their old shape."""
    for read in plan.analysis.spaces.reads:
        units = plan.analysis.spaces.get(*read.axis)
        assert units is not None
        removed = np.zeros(units.size, dtype=bool)
        removed[read.indices] = plan.removed(units[read.indices])
        if removed.any():
            numbers, carrier = plan.analysis.constants.of(*read.axis), plan.carriers.get(read)
            operator = operator_of(read.node)
            operator.absorb(read.node, read.axis, numbers, removed, carrier, plan.analysis.spaces)


def _cut(plan: Plan, graph: ir.Graph) -> int:
    """Cut every tracked axis of every value; returns how many units left."""
    axes = [
        (axis, kept)
        for axis, units in plan.analysis.spaces.tracked()
        if not (kept := ~plan.removed(units)).all()
    ]
    touched = {value for (value, _), _ in axes}
    nodes = [node for node in graph if any(value in touched for value in [*node.inputs, *node.outputs])]
    for node in reversed(nodes):  # readers first: what a node puts behind itself is unknown to the plan
        operator_of(node).reindex(node, plan.kept)
    for (value, axis), kept in axes:
        if (array := array_of(value)) is not None:
            replace_weight(value, np.compress(kept, array, axis=axis))
        elif value.shape is not None:
            value.shape = ir.Shape([*value.shape[:axis], int(kept.sum()), *value.shape[axis + 1 :]])
    for node in nodes:
        operator_of(node).resize(node)
    return int(plan.leaves.sum())
