"""Whether parts are selected from an axis by number further on, so that it had better keep its length.

Only a hint on which of several exact choices serves best: nothing relies on it being right.
"""

from __future__ import annotations

import onnx_ir as ir

from edgeshrink.graph.constants import array_of

__all__ = ["is_selected_from"]

_FARTHEST = 6
"""Nodes to look ahead: a Transpose, a Squeeze and their like stand between the split and the selection."""


def is_selected_from(value: ir.Value, axis: int, farthest: int = _FARTHEST) -> bool:
    """Whether a Gather, Slice or Split on this axis is found within a few nodes that only move axes."""
    if farthest == 0:
        return False
    for node, index in value.uses():
        if index != 0 or node.domain != "":
            continue
        if node.op_type in ("Gather", "Slice", "Split"):
            if axis in _selected_axes(node, value):
                return True
            dropped = node.op_type == "Gather" and _is_scalar(node.inputs[1])
            moved = axis - int(dropped and axis > min(_selected_axes(node, value), default=axis))
        elif node.op_type == "Transpose":
            moved = list(node.attributes.get_ints("perm", range(_rank(value))[::-1])).index(axis)
        elif node.op_type in ("Squeeze", "Unsqueeze"):
            after = _after(node, value, axis)
            if after is None:
                continue
            moved = after
        else:
            continue
        if any(is_selected_from(output, moved, farthest - 1) for output in node.outputs):
            return True
    return False


def _selected_axes(node: ir.Node, value: ir.Value) -> set[int]:
    rank = _rank(value)
    if node.op_type != "Slice":
        return {node.attributes.get_int("axis", 0) % rank}
    if len(node.inputs) > 3 and node.inputs[3] is not None:
        axes = array_of(node.inputs[3])
        return set(range(rank)) if axes is None else {int(axis) % rank for axis in axes.reshape(-1)}
    starts = array_of(node.inputs[1]) if len(node.inputs) > 1 else None
    return set(node.attributes.get_ints("axes", [])) if starts is None else set(range(starts.size))


def _after(node: ir.Node, value: ir.Value, axis: int) -> int | None:
    """Where an axis is after a Squeeze or Unsqueeze; None if that is not known, or it is gone."""
    axes = list(node.attributes.get_ints("axes", []))
    if not axes and len(node.inputs) > 1:
        array = array_of(node.inputs[1])
        axes = [] if array is None else [int(one) for one in array.reshape(-1)]
    if not axes:
        return None
    if node.op_type == "Squeeze":
        gone = {one % _rank(value) for one in axes}
        return None if axis in gone else axis - sum(one < axis for one in gone)
    rank = _rank(value) + len(axes)
    new = {one % rank for one in axes}
    return [place for place in range(rank) if place not in new][axis]


def _is_scalar(value: ir.Value | None) -> bool:
    return value is not None and value.shape is not None and len(value.shape) == 0


def _rank(value: ir.Value) -> int:
    return len(value.shape) if value.shape is not None else 0
