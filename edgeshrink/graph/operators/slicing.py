"""Slice: cut along positions it leaves the channels as they are, and a slice of channels has its units."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from edgeshrink.graph.edit import add_constant, set_input
from edgeshrink.graph.operators.base import Kept, register, sizes, source_of
from edgeshrink.graph.operators.selection import Indices, Pick, Selection, constant_integers, renumbered

__all__ = ["Slice"]

_FAR = np.iinfo(np.int64)

Bounds = tuple[int, int, int]
"""Where a slice begins, where it ends, and its step."""


@register("Slice")
class Slice(Selection):
    """Axes that are not sliced are carried; of a sliced one the output has the units between the bounds."""

    def picks(self, node: ir.Node) -> list[Pick] | None:
        """Every axis, but for sliced ones of unknown length and those of which nothing is left."""
        bounds, source = _bounds(node), source_of(node)
        if bounds is None:
            return None
        picks = []
        for axis, size in enumerate(sizes(source)):
            indices = None
            if axis in bounds:
                if not isinstance(size, int):
                    continue
                indices = np.arange(size, dtype=np.int64)[slice(*bounds[axis])]
                if indices.size == 0 or indices.size != sizes(node.outputs[0])[axis]:
                    continue
            picks.append(Pick(axis, node.outputs[0], axis, indices))
        return picks

    def reindex(self, node: ir.Node, kept: Kept) -> None:
        """Move the bounds. Where what is left is no range, a Gather in front takes it, and the Slice all."""
        bounds, source = _bounds(node), source_of(node)
        assert bounds is not None
        changed = False
        for pick in self.picks(node) or ():
            indices = renumbered(pick, source, kept)
            if indices is None:
                continue
            changed = True
            moved = _as_range(indices)
            if moved is None:
                _gather_before(node, pick.axis, indices, kept)
            bounds[pick.axis] = moved or (0, _FAR.max, 1)
        if changed:
            _store(node, bounds)


def _bounds(node: ir.Node) -> dict[int, Bounds] | None:
    """The bounds of each sliced axis as they are given; None if they are computed, or given twice."""
    starts = constant_integers(node, 1, "starts")
    ends = constant_integers(node, 2, "ends")
    axes, steps = constant_integers(node, 3, "axes"), constant_integers(node, 4, "steps")
    if starts is None or ends is None or axes is None or steps is None or starts.size != ends.size:
        return None
    rank = len(sizes(source_of(node)))
    numbers = [int(axis) % rank for axis in axes] if axes.size else list(range(starts.size))
    strides = steps.tolist() if steps.size else [1] * starts.size
    if not len(set(numbers)) == len(numbers) == starts.size == len(strides) or 0 in strides:
        return None
    return dict(zip(numbers, zip(starts.tolist(), ends.tolist(), strides, strict=True), strict=True))


def _as_range(indices: Indices) -> Bounds | None:
    """The bounds that take these indices; None if they are not evenly spaced."""
    steps = np.unique(np.diff(indices))
    if steps.size > 1 or 0 in steps:
        return None
    step = int(steps[0]) if steps.size else 1
    first, end = int(indices[0]), int(indices[-1]) + (1 if step > 0 else -1)
    return first, end if end >= 0 else _FAR.min, step


def _gather_before(node: ir.Node, axis: int, indices: Indices, kept: Kept) -> None:
    """Let a node read only these indices of an axis, numbered as they will be after the cut."""
    graph, source = node.graph, source_of(node)
    assert isinstance(graph, ir.Graph)
    name = f"{node.name}_take"
    gather = ir.node("Gather", [source, add_constant(graph, f"{name}_indices", indices)], {"axis": axis})
    gather.name = name
    lengths = [
        int(kept(source, i).sum()) if isinstance(size, int) else size for i, size in enumerate(sizes(source))
    ]
    lengths[axis] = indices.size
    taken = gather.outputs[0]
    taken.name, taken.shape, taken.type = f"{name}_out", ir.Shape(lengths), source.type
    graph.insert_before(node, gather)
    node.replace_input_with(0, taken)


def _store(node: ir.Node, bounds: dict[int, Bounds]) -> None:
    """Write bounds where the node has them: as constants of its own, or before opset 10 as attributes."""
    columns = {
        "starts": [first for first, _, _ in bounds.values()],
        "ends": [end for _, end, _ in bounds.values()],
        "axes": list(bounds),
        "steps": [step for _, _, step in bounds.values()],
    }
    if "starts" in node.attributes:
        for name in ("starts", "ends", "axes"):
            node.attributes[name] = ir.AttrInt64s(name, columns[name])
        return
    assert isinstance(node.graph, ir.Graph)
    for index, (name, numbers) in enumerate(columns.items(), start=1):
        if index < 4 or set(numbers) != {1}:
            array = np.array(numbers, dtype=np.int64)
            set_input(node, index, add_constant(node.graph, f"{node.outputs[0].name}_{name}", array))
        elif len(node.inputs) > index:
            node.replace_input_with(index, None)
