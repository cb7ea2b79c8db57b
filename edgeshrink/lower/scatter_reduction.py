"""ScatterElements and ScatterND {reduction=add, mul, max, min} -> forms without it.

Before opset 16 (max and min: 18), and for parsers that overwrite all the same, or refuse the attribute:
some of TensorRT 10 refuse even the reduction that is none, which is left out for all of them.

Constant indices that name each place once: Scatter(x, i, Gather(x, i) + u). Else each place reads every
update and takes those that are its own: x + ReduceSum(Where(i = 0 .. size - 1, u, 0)), which is the same
sum; for ScatterND and floats it is a product with the matrix of zeros and ones, which is the same for
finite updates.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np
import onnx_ir as ir

from edgeshrink.graph.stored import stored_array
from edgeshrink.lower.rule import NodeRule, Recorder

__all__ = ["LowerScatterElementsReduction", "LowerScatterNDReduction"]

JOINED_BY = {"add": "Add", "mul": "Mul", "max": "Max", "min": "Min"}
REDUCED_BY = {"add": "ReduceSum", "mul": "ReduceProd", "max": "ReduceMax", "min": "ReduceMin"}
LIMIT = 2**24  # elements of what compares every place with every update
KINDS = (ir.DataType.FLOAT, ir.DataType.DOUBLE, ir.DataType.INT32, ir.DataType.INT64)


class _Reducing(NodeRule):
    native_from = 16

    def _is_foreign(self, node: ir.Node) -> bool:
        parser, reduction = self.target.parser, _reduction(node)
        if reduction not in JOINED_BY:
            return parser is not None and "reduction" in node.attributes
        since = 18 if reduction in ("max", "min") else 16
        goes_down = self.opset < min(since, self.target.source)
        entry = None if parser is None else parser.operators.get(node.op_type)
        return goes_down or (entry is not None and entry.values.get("reduction") == ("none",))

    def _joined(
        self, x: ir.Value, own: ir.Value, updates: ir.Value, axis: int, node: ir.Node, op: Recorder
    ) -> ir.Value:
        """`x`, and of the updates along `axis` those that are each place's own."""
        reduction, dtype = _reduction(node), _dtype(node)
        mine = op("Where", own, updates, op.constant(_neutral(reduction, dtype), dtype))
        if reduction == "add":
            total = op("ReduceSum", mine, op.constant([axis]), keepdims=0)
        else:
            kept = op.reduce(REDUCED_BY[reduction], mine, [axis], self.opset)
            total = op("Squeeze", kept, op.constant([axis]))
        return op(JOINED_BY[reduction], x, total)


class LowerScatterElementsReduction(_Reducing):
    """Fires on constant indices without repetition, else on static shapes that are equal but for the axis."""

    op_types = frozenset({"ScatterElements"})

    def rewrite(self, node: ir.Node, op: Recorder) -> Sequence[ir.Value] | None:
        """Either form."""
        x, indices, updates = node.inputs
        reduction = _reduction(node)
        if reduction == "none":
            return [op("ScatterElements", *node.inputs, axis=node.attributes.get_int("axis", 0))]
        if x is None or indices is None or updates is None or x.dtype not in KINDS or x.shape is None:
            return None
        axis = node.attributes.get_int("axis", 0) % x.shape.rank()
        given = stored_array(indices)
        scatters = not self.target.lacks("ScatterElements")
        if scatters and given is not None and _name_each_place_once(given, axis):
            found = op("GatherElements", x, indices, axis=axis)
            return [op("ScatterElements", x, indices, op(JOINED_BY[reduction], found, updates), axis=axis)]
        sizes, counts = _static(x), _static(indices)
        if sizes is None or counts is None or indices.dtype not in (ir.DataType.INT32, ir.DataType.INT64):
            return None
        if [*sizes[:axis], *sizes[axis + 1 :]] != [*counts[:axis], *counts[axis + 1 :]]:
            return None
        size = sizes[axis]
        if size * prod(counts) > LIMIT or not prod(counts):
            return None
        steps = np.arange(size).reshape(-1, *[1] * (len(sizes) - axis))
        apart = op.constant([axis])
        index = op("Unsqueeze", _from_the_front(indices, size, op), apart)
        own = op("Equal", index, op.constant(steps, indices.dtype))
        return [self._joined(x, own, op("Unsqueeze", updates, apart), axis + 1, node, op)]


class LowerScatterNDReduction(_Reducing):
    """Fires on constant indices without repetition, else on static shapes."""

    op_types = frozenset({"ScatterND"})

    def rewrite(self, node: ir.Node, op: Recorder) -> Sequence[ir.Value] | None:
        """Either form; in the second, what the indices name are rows."""
        x, indices, updates = node.inputs
        reduction = _reduction(node)
        if reduction == "none":
            return [op("ScatterND", *node.inputs)]
        if x is None or indices is None or updates is None or x.dtype not in KINDS:
            return None
        given = stored_array(indices)
        if given is not None and (given >= 0).all() and not self.target.lacks("ScatterND"):
            rows = given.reshape(-1, given.shape[-1])
            if len(np.unique(rows, axis=0)) == len(rows):
                joined = op(JOINED_BY[reduction], op("GatherND", x, indices), updates)
                return [op("ScatterND", x, indices, joined)]
        sizes, counts = _static(x), _static(indices)
        if sizes is None or counts is None or not prod(counts):
            return None
        depth, count = counts[-1], prod(counts[:-1])
        rows_of_x, width = prod(sizes[:depth]), prod(sizes[depth:])
        summed = reduction == "add" and x.dtype in (ir.DataType.FLOAT, ir.DataType.DOUBLE)
        if rows_of_x * count * (1 if summed else width) > LIMIT:
            return None
        table = op("Reshape", x, op.constant([rows_of_x, width]))
        news = op("Reshape", updates, op.constant([count, width]))
        place = _row_numbers(op("Reshape", indices, op.constant([count, depth])), sizes[:depth], op)
        own = op("Equal", op("Unsqueeze", place, op.constant([0])), op.constant(np.c_[:rows_of_x]))
        if summed:
            result = op("Add", table, op("MatMul", op("Cast", own, to=_dtype(node)), news))
        else:
            own = op("Unsqueeze", own, op.constant([2]))
            result = self._joined(table, own, op("Unsqueeze", news, op.constant([0])), 1, node, op)
        return [op("Reshape", result, op.constant(sizes))]


def _reduction(node: ir.Node) -> str:
    return node.attributes.get_string("reduction", "none") or "none"


def _dtype(node: ir.Node) -> ir.DataType:
    """The element type, which the rules have found to be known."""
    x = node.inputs[0]
    assert x is not None
    assert x.dtype is not None
    return x.dtype


def _name_each_place_once(indices: np.ndarray[Any, np.dtype[Any]], axis: int) -> bool:
    """Whether no two entries along `axis` are the same; those below zero may name another's place."""
    in_order = np.sort(indices, axis=axis)
    return bool((indices >= 0).all() and (np.diff(in_order, axis=axis) > 0).all())


def _neutral(reduction: str, dtype: ir.DataType) -> float | int:
    """What changes nothing."""
    if reduction in ("add", "mul"):
        return int(reduction == "mul")
    if dtype.is_floating_point():
        return -np.inf if reduction == "max" else np.inf
    bounds = np.iinfo(dtype.numpy())
    return int(bounds.min if reduction == "max" else bounds.max)


def _row_numbers(indices: ir.Value, sizes: Sequence[int], op: Recorder) -> ir.Value:
    """The row that each line of `indices` names, of a table with one row for each place of `sizes`."""
    total: ir.Value | None = None
    for axis, size in enumerate(sizes):
        column = _from_the_front(
            op("Gather", indices, op.constant(axis), axis=1), size, op, ir.DataType.INT64
        )
        part = op("Mul", column, op.constant(prod(sizes[axis + 1 :])))
        total = part if total is None else op("Add", total, part)
    assert total is not None
    return total


def _from_the_front(indices: ir.Value, size: int, op: Recorder, dtype: ir.DataType | None = None) -> ir.Value:
    """Indices below zero count from the end."""
    kind = dtype or indices.dtype
    assert kind is not None
    low = op("Less", indices, op.constant(0, kind))
    return op("Where", low, op("Add", indices, op.constant(size, kind)), indices)


def _static(value: ir.Value) -> list[int] | None:
    if value.shape is None or not value.shape.is_static():
        return None
    return [int(size) for size in value.shape.numpy()]
