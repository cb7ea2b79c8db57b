"""Drop guards against nan: Where(IsNaN(softmax(s)), 0, softmax(s))  ->  softmax(s).

Exact: a softmax is nan only where all of a row is minus infinity, and a stored mask that leaves each row
something to attend to never makes it so. Exporters write the guard for any mask; behind it, shares would not
be known to sum to one.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import onnx_ir as ir

from edgeshrink.bake.base import BakePass
from edgeshrink.graph.constants import array_of
from edgeshrink.graph.operators.base import opset_of

__all__ = ["DropNanGuards"]

Masked = npt.NDArray[np.bool_]
"""Where a value is minus infinity, in a shape that broadcasts to its own."""

_LAYERS = ("Conv", "Einsum", "Gemm", "MatMul")
"""What sums finite products of finite numbers."""

_FARTHEST = 8
"""Nodes between the softmax and the layer that scores: scales and masks."""


class DropNanGuards(BakePass):
    """Drop every guard whose softmax has something to attend to in each row."""

    def rewrite(self, model: ir.Model) -> dict[str, int]:
        """Returns the number of guards dropped."""
        dropped = 0
        for node in list(model.graph):
            guarded = _guarded(node)
            if guarded is not None and not node.outputs[0].is_graph_output() and _is_whole(guarded):
                node.outputs[0].replace_all_uses_with(guarded)
                condition = node.inputs[0].producer() if node.inputs[0] is not None else None
                model.graph.remove(node, safe=True)
                if condition is not None and not condition.outputs[0].uses():
                    _remove(condition)
                dropped += 1
        return {"guards": dropped} if dropped else {}


def _remove(node: ir.Node) -> None:
    if isinstance(node.graph, ir.Graph) and not node.outputs[0].is_graph_output():
        node.graph.remove(node, safe=True)


def _guarded(node: ir.Node) -> ir.Value | None:
    """The value that a node replaces where it is nan, if that is what it does."""
    if node.op_type != "Where" or node.domain != "":
        return None
    condition, value = node.inputs[0], node.inputs[2]
    asked = condition.producer() if condition is not None else None
    guards = asked is not None and (asked.op_type, asked.domain) == ("IsNaN", "") and asked.inputs[0] is value
    return value if guards else None


def _is_whole(value: ir.Value) -> bool:
    """Whether it is a softmax over the last axis of which no row is minus infinity as a whole."""
    node = value.producer()
    if node is None or (node.op_type, node.domain) != ("Softmax", "") or value.shape is None:
        return False
    last = len(value.shape) - 1
    if opset_of(node) < 13 or node.attributes.get_int("axis", -1) not in (-1, last):
        return False
    masked = _masked(node.inputs[0], _FARTHEST)
    return masked is not None and not np.atleast_1d(masked).all(axis=-1).any()


def _masked(value: ir.Value | None, farthest: int) -> Masked | None:
    """Where a value is minus infinity; None where that is not known, or where it may be nan or infinity."""
    stored = array_of(value)
    if stored is not None:
        return _minus_infinity(stored)
    node = value.producer() if value is not None else None
    if node is None or node.domain != "" or not farthest:
        return None
    if node.op_type in _LAYERS:
        return np.zeros((), dtype=bool) if _is_plain(node) else None
    if node.op_type in ("Mul", "Div"):
        return _scaled(node, farthest)
    if node.op_type not in ("Add", "Where"):
        return None
    sides = [_masked(side, farthest - 1) for side in node.inputs[-2:]]
    if sides[0] is None or sides[1] is None:
        return None
    if node.op_type == "Add":
        return np.asarray(sides[0] | sides[1])
    condition = array_of(node.inputs[0])
    return None if condition is None else np.asarray(np.where(condition, sides[0], sides[1]), dtype=bool)


def _is_plain(node: ir.Node) -> bool:
    """Whether all that a layer stores is finite, and its bias is stored: that of a Gemm may be the mask."""
    biases = () if node.op_type == "Einsum" else node.inputs[2:]
    computed = any(value is not None and array_of(value) is None for value in biases)
    stored = [array for value in node.inputs if (array := array_of(value)) is not None]
    return not computed and all(
        array.dtype.kind == "f" and bool(np.isfinite(array).all()) for array in stored
    )


def _minus_infinity(array: npt.NDArray[Any]) -> Masked | None:
    """What is stored, numbers so low that a sum or a product might reach minus infinity included."""
    if not np.issubdtype(array.dtype, np.floating) or not (array < _large(array)).all():
        return None
    return np.asarray(array <= -_large(array))


def _scaled(node: ir.Node, farthest: int) -> Masked | None:
    """A scale that is finite and above zero keeps what is minus infinity, and what is not."""
    left, right = (array_of(value) for value in node.inputs)
    scale, value = (right, node.inputs[0]) if right is not None else (left, node.inputs[1])
    if scale is None or (node.op_type == "Div" and right is None):
        return None
    sizes: npt.NDArray[Any] = scale
    plain = np.issubdtype(sizes.dtype, np.floating)
    plain = plain and bool((sizes < _large(sizes)).all() and (sizes > 1 / _large(sizes)).all())
    return _masked(value, farthest - 1) if plain else None


def _large(array: npt.NDArray[Any]) -> float:
    return float(np.sqrt(np.finfo(array.dtype).max))
