"""Reductions: sums, means, norms and extremes over some axes; the others are carried.

To a sum a unit that is zero adds nothing: it may leave the axis that is summed over, and so may one that is
another constant where the result can be corrected by what it added. A mean goes on dividing by the number of
units there were: it becomes (kept / all) times the mean of those that are kept.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Sequence
from math import prod

import numpy as np
import onnx_ir as ir

from edgeshrink.graph.constants import Constants, Numbers, array_of
from edgeshrink.graph.demand import Demand, Mask
from edgeshrink.graph.edit import add_constant
from edgeshrink.graph.operators.base import (
    EVERYTHING,
    Kept,
    Operator,
    Size,
    describe,
    register,
    sizes,
    source_of,
)
from edgeshrink.graph.spaces import Axis, Spaces

__all__ = ["Reduction", "kept_axes", "reduced_axes"]

_SUMS = ("ReduceSum", "ReduceMean", "ReduceL1", "ReduceL2", "ReduceSumSquare", "ReduceLogSum")
"""To these, a zero among others adds nothing."""


@register(
    *("ReduceSum", "ReduceMean", "ReduceL1", "ReduceL2", "ReduceSumSquare", "ReduceLogSum"),
    *("ReduceLogSumExp", "ReduceMax", "ReduceMin", "ReduceProd"),
)
class Reduction(Operator):
    """out[i] = the sum (mean, norm, maximum, ...) over k of in[i, k]."""

    def followed(self, node: ir.Node) -> Container[int]:
        """The data; not the axes."""
        return range(1)

    def couple(self, node: ir.Node, spaces: Spaces) -> None:
        """Hand on what is kept; record a read of what is summed over, pin what is reduced otherwise."""
        source, reduced = source_of(node), reduced_axes(node)
        if reduced is None:
            super().couple(node, spaces)
            return
        kept = kept_axes(node, reduced)
        for axis in spaces.axes_of(source):
            units = spaces.get(source, axis)
            assert units is not None
            if axis in kept:
                spaces.put(node.outputs[0], kept[axis], units)
            elif _is_sum(node):
                spaces.read(node, source, axis)
            else:
                spaces.pin(units, f"reduced over by {describe(node)}")

    def constants(self, node: ir.Node, constants: Constants) -> None:
        """What is made of a constant at each kept index; what is summed and could not be added back stays."""
        reduced, source, output = reduced_axes(node), source_of(node), node.outputs[0]
        if reduced is None:
            return
        for own, axis in kept_axes(node, reduced).items() if reduced else ():
            if constants.spaces.get(output, axis) is not None:
                constants.put(output, axis, _reduced(node, constants.of(source, own), _count(node, reduced)))
        summed = [axis for axis in constants.spaces.axes_of(source) if axis in reduced]
        if not _is_sum(node) or (len(summed) == 1 and _added(node, reduced, summed[0]) is not None):
            return
        for axis in summed:
            units, numbers = constants.spaces.get(source, axis), constants.of(source, axis)
            assert units is not None
            live = np.isfinite(numbers) & (numbers != 0)
            constants.spaces.pin(units[live], f"adds a constant in {describe(node)}")

    def demand(self, node: ir.Node, demand: Demand) -> None:
        """Kept axes demand what the output demands, reduced ones everything if anything of it is."""
        source, reduced = source_of(node), reduced_axes(node)
        if reduced is None:
            super().demand(node, demand)
            return
        output, kept = node.outputs[0], kept_axes(node, reduced)
        wanted = all(demand.of(output, axis).any() for axis in demand.spaces.axes_of(output))
        for axis in demand.spaces.axes_of(source):
            if axis in kept:
                demand.add(source, axis, demand.of(output, kept[axis]))
            elif _is_sum(node):
                units = demand.spaces.get(source, axis)
                assert units is not None
                demand.add_read(node, source, axis, np.full(units.size, wanted))
            else:
                demand.add(source, axis, EVERYTHING)

    def can_absorb_in_weight(self, node: ir.Node) -> bool:
        """There is no weight."""
        return False

    def absorb(
        self, node: ir.Node, axis: Axis, numbers: Numbers, removed: Mask, carrier: int | None, spaces: Spaces
    ) -> None:
        """Add what removed constants added, behind the node: out + sum_k c_k, for a mean over the length."""
        reduced = reduced_axes(node)
        added = _added(node, reduced, axis[1]) if reduced is not None else None
        total = float(numbers[removed & np.isfinite(numbers)].sum())
        if total != 0:
            assert added is not None
            spaces.follow(node.outputs[0], _behind(node, "Add", total * added, sizes(node.outputs[0])))

    def reindex(self, node: ir.Node, kept: Kept) -> None:
        """Scale a mean whose axes get shorter."""
        source, output, reduced = source_of(node), node.outputs[0], reduced_axes(node)
        if node.op_type != "ReduceMean" or reduced is None:
            return
        stays = [kept(source, axis) for axis in reduced if isinstance(sizes(source)[axis], int)]
        factor = prod(mask.sum() / mask.size for mask in stays)
        if factor != 1:
            shape = [
                int(kept(output, axis).sum()) if isinstance(size, int) else size
                for axis, size in enumerate(sizes(output))
            ]
            _behind(node, "Mul", factor, shape)


def reduced_axes(node: ir.Node) -> set[int] | None:
    """The axes a Reduce op works on, from its attribute or its constant input; None if not known."""
    rank = len(sizes(source_of(node)))
    axes = list(node.attributes.get_ints("axes", []))
    if len(node.inputs) > 1 and node.inputs[1] is not None:
        array = array_of(node.inputs[1])
        if array is None:
            return None
        axes = array.reshape(-1).astype(int).tolist()
    if not axes:
        return set() if node.attributes.get_int("noop_with_empty_axes", 0) else set(range(rank))
    return {axis % rank for axis in axes}


def kept_axes(node: ir.Node, reduced: set[int]) -> dict[int, int]:
    """Input axis -> output axis of what is not reduced."""
    kept = [axis for axis in range(len(sizes(source_of(node)))) if axis not in reduced]
    keepdims = node.attributes.get_int("keepdims", 1)
    return {axis: axis if keepdims else i for i, axis in enumerate(kept)}


def _is_sum(node: ir.Node) -> bool:
    """Whether zeros may leave what is reduced; means of integers are rounded."""
    output = node.outputs[0]
    return node.op_type in _SUMS and output.dtype is not None and output.dtype.is_floating_point()


def _count(node: ir.Node, reduced: set[int]) -> int | None:
    """How many elements make one of the output; None if that is known at run time only, or there are none."""
    lengths = [sizes(source_of(node))[axis] for axis in reduced]
    known = [length for length in lengths if isinstance(length, int) and length > 0]
    return prod(known) if len(known) == len(lengths) else None


def _added(node: ir.Node, reduced: set[int], axis: int) -> float | None:
    """What an index of a reduced axis adds to the result if all it holds is 1; None if that is not known."""
    own = sizes(source_of(node))[axis]
    if node.op_type == "ReduceMean":
        return 1 / own if isinstance(own, int) and own else None
    return _count(node, reduced - {axis}) if node.op_type == "ReduceSum" else None


def _behind(node: ir.Node, op_type: str, number: float, shape: Sequence[Size]) -> ir.Value:
    """Put an Add or Mul of one number between a node and all that read it; returns what they read now."""
    graph, old = node.graph, node.outputs[0]
    assert isinstance(graph, ir.Graph)
    assert old.dtype is not None
    name = f"{old.name}_{'shift' if op_type == 'Add' else 'scale'}"
    constant = add_constant(graph, f"{name}_by", np.array(number, dtype=old.dtype.numpy()))
    correction = ir.node(op_type, [old, constant], name=name)
    new = correction.outputs[0]
    new.name, new.shape, new.type = f"{name}d", ir.Shape(shape), old.type
    if old.is_graph_output():
        old.name, new.name = new.name, old.name
    old.replace_all_uses_with(new, replace_graph_outputs=True)
    correction.replace_input_with(0, old)
    graph.insert_after(node, correction)
    return new


def _reduced(node: ir.Node, numbers: Numbers, count: int | None) -> Numbers:
    """What `count` times the same number is reduced to, for each number; nan where not known."""
    kind = node.op_type.removeprefix("Reduce")
    if kind in ("Mean", "Max", "Min"):
        return numbers
    if count is None:
        return np.where((numbers == 0) & (kind in ("Sum", "L1", "L2", "SumSquare")), 0.0, np.nan)
    with np.errstate(all="ignore"):  # what is not finite counts as not known
        return _OF_CONSTANT[kind](numbers, count)


_OF_CONSTANT: dict[str, Callable[[Numbers, int], Numbers]] = {
    "Sum": lambda numbers, count: numbers * count,
    "L1": lambda numbers, count: np.abs(numbers) * count,
    "L2": lambda numbers, count: np.abs(numbers) * np.sqrt(count),
    "SumSquare": lambda numbers, count: np.square(numbers) * count,
    "LogSum": lambda numbers, count: np.log(numbers * count),
    "LogSumExp": lambda numbers, count: numbers + np.log(count),
    "Prod": lambda numbers, count: np.where((numbers == 0) | (numbers == 1), numbers, np.nan),
}
"""What a number is reduced to that comes so many times."""
