"""Shuffle channels by index: Reshape(C -> G, K), Transpose(K, G), Reshape(-> C)  =  Gather(x, i), and back.

Exact: both put the same elements in the same order. By index every channel is a unit that can leave for
itself, where the shape of a reshape would have to keep a full table of G * K. What no channel left goes back
to the form it had, and so does what is a regular shuffle of fewer channels.
"""

from __future__ import annotations

from math import prod
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import onnx_ir as ir
from onnx_ir.passes.common import RemoveUnusedNodesPass

from edgeshrink.bake.base import BakePass
from edgeshrink.graph.constants import array_of
from edgeshrink.graph.edit import add_constant, is_shared
from edgeshrink.graph.operators.base import Size, sizes, source_of

__all__ = ["GatherShuffles", "RestoreShuffles"]

_MARK = "edgeshrink.shuffle"
"""Under this name a Gather remembers that it was a shuffle, and of which kind; nothing of it is saved."""


class _Shuffle(NamedTuple):
    """How one axis is taken apart, put in another order, and joined again.

    Attributes:
        axis: The axis.
        factors: The lengths it is split into.
        order: Which of them comes first, second, ...
    """

    axis: int
    factors: tuple[int, ...]
    order: tuple[int, ...]

    def indices(self) -> npt.NDArray[np.int64]:
        """Where each index along the axis comes from."""
        places = np.arange(prod(self.factors), dtype=np.int64)
        return np.asarray(places.reshape(self.factors).transpose(self.order).reshape(-1))


class GatherShuffles(BakePass):
    """Write shuffles of one axis, of which nobody reads what is in between, as a Gather."""

    def rewrite(self, model: ir.Model) -> dict[str, int]:
        """Returns the number of shuffles."""
        transposes = [node for node in model.graph if node.op_type == "Transpose"]
        shuffles = sum(_to_gather(model.graph, node) for node in transposes)
        if not shuffles:
            return {}
        RemoveUnusedNodesPass()(model)
        return {"shuffles": shuffles}


class RestoreShuffles(BakePass):
    """Write what `GatherShuffles` made and is a shuffle still as Reshape, Transpose and Reshape."""

    def rewrite(self, model: ir.Model) -> dict[str, int]:
        """Returns the number of shuffles put back, and of those that went as they change nothing any more."""
        restored = dropped = 0
        for node in list(model.graph):
            made = node.meta.get(_MARK)
            if not isinstance(made, _Shuffle) or node.outputs[0].is_graph_output():
                continue
            indices = array_of(node.inputs[1])
            assert indices is not None
            if np.array_equal(indices, np.arange(indices.size)):
                node.outputs[0].replace_all_uses_with(source_of(node))
                dropped += 1
            elif (shuffle := _as_shuffle(indices, made)) is not None:
                restored += _to_reshapes(model.graph, node, shuffle)
        if not restored + dropped:
            return {}
        RemoveUnusedNodesPass()(model)
        return {"restored": restored, "dropped": dropped}


def _to_gather(graph: ir.Graph, transpose: ir.Node) -> bool:
    """Put a Gather in the place of a Transpose between two Reshapes, if they shuffle one axis."""
    before, after = transpose.inputs[0], transpose.outputs[0]
    first = before.producer() if before is not None else None
    last = next((node for node, _ in after.uses()), None)
    chain = (first, transpose, last)
    if before is None or first is None or last is None or is_shared(before) or is_shared(after):
        return False
    if any(node is None or node.domain != "" or node.graph is not graph for node in chain):
        return False
    if (first.op_type, last.op_type) != ("Reshape", "Reshape") or last.inputs[0] is not after:
        return False
    output = last.outputs[0]
    shuffle = _found(first, transpose, output)
    if shuffle is None or output.is_graph_output():
        return False
    indices = add_constant(graph, f"{output.name}_indices", shuffle.indices())
    gather = ir.node("Gather", [source_of(first), indices], {"axis": shuffle.axis})
    gather.name, gather.meta[_MARK] = transpose.name, shuffle
    _take_place(last, gather.outputs[0])
    graph.insert_before(last, gather)
    return True


def _found(first: ir.Node, transpose: ir.Node, output: ir.Value) -> _Shuffle | None:
    """The shuffle that Reshape, Transpose and Reshape make; None if they make anything else."""
    source, middle = source_of(first), first.outputs[0]
    if source.shape is None or middle.shape is None or output.shape is None:
        return None
    whole, apart = sizes(source), sizes(middle)
    order = transpose.attributes.get_ints("perm", range(len(apart))[::-1])
    count = len(apart) - len(whole) + 1
    if count < 2 or not _same(whole, sizes(output)):
        return None
    for axis, size in enumerate(whole):
        end = axis + count
        factors = [length for length in apart[axis:end] if isinstance(length, int)]
        inside = list(order[axis:end])
        still = [*order[:axis], *order[end:]] == [*range(axis), *range(end, len(apart))]
        around = _same(whole[:axis], apart[:axis]) and _same(whole[axis + 1 :], apart[end:])
        if len(factors) == count and prod(factors) == size and still and around:
            return _Shuffle(axis, tuple(factors), tuple(place - axis for place in inside))
    return None


def _same(a: tuple[Size, ...], b: tuple[Size, ...]) -> bool:
    """Whether lengths are known to be equal; two of which nothing is known, not even a name, are not."""
    known = all(isinstance(size, int) or size.value is not None for size in a)
    return known and a == b


def _as_shuffle(indices: npt.NDArray[np.generic], made: _Shuffle) -> _Shuffle | None:
    """The shuffle that takes these indices: the one it was, or one of a smaller table; None if it is none."""
    if np.array_equal(indices, made.indices()):
        return made
    count = indices.size
    step = int(indices[1]) if count > 1 else 0
    if step < 2 or count % step:
        return None
    smaller = _Shuffle(made.axis, (count // step, step), (1, 0))
    return smaller if np.array_equal(indices, smaller.indices()) else None


def _to_reshapes(graph: ir.Graph, gather: ir.Node, shuffle: _Shuffle) -> bool:
    """Put Reshape, Transpose and Reshape in the place of a Gather; returns whether their shapes are known."""
    axis, factors, order = shuffle
    source, output = source_of(gather), gather.outputs[0]
    whole = sizes(source)
    ends = [size if isinstance(size, int) else -1 for size in whole[axis + 1 :]]
    if ends.count(-1) > 1:
        return False
    permutation = [*range(axis), *(axis + place for place in order)]
    permutation += range(len(permutation), len(permutation) + len(ends))
    moved = [factors[place] for place in order]
    value, name = source, gather.name or "shuffle"
    steps = (
        ("Reshape", [0] * axis + [*factors, *ends], [*whole[:axis], *factors, *whole[axis + 1 :]]),
        ("Transpose", permutation, [*whole[:axis], *moved, *whole[axis + 1 :]]),
        ("Reshape", [0] * axis + [prod(factors), *ends], list(whole)),
    )
    for number, (op, numbers, shape) in enumerate(steps):
        if op == "Reshape":
            lengths = add_constant(graph, f"{name}_shape", np.array(numbers, dtype=np.int64))
            node = ir.node(op, [value, lengths], name=f"{name}_{number}")
        else:
            node = ir.node(op, [value], {"perm": numbers}, name=f"{name}_{number}")
        graph.insert_before(gather, node)
        value = node.outputs[0]
        value.name, value.shape, value.type = f"{name}_{number}_out", ir.Shape(shape), source.type
    output.replace_all_uses_with(value)
    return True


def _take_place(old: ir.Node, new: ir.Value) -> None:
    """Let all readers of a node's output read a new value, which takes its name, shape and type."""
    output = old.outputs[0]
    new.name, new.shape, new.type = output.name, output.shape, output.type
    output.name = f"{output.name}_before"
    output.replace_all_uses_with(new)
