"""Pad: channels are carried where only positions are padded."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from edgeshrink.graph.constants import Constants, array_of
from edgeshrink.graph.operators.base import register, sizes, source_of
from edgeshrink.graph.operators.selection import Pick, Selection, constant_integers

__all__ = ["Pad"]


@register("Pad")
class Pad(Selection):
    """Axes that get nothing added and lose nothing are carried; a padded or cropped one stays."""

    def picks(self, node: ir.Node) -> list[Pick] | None:
        """The axes that are not padded; None where that is decided at run time."""
        pads = _pads(node)
        if pads is None:
            return None
        axes = range(len(sizes(source_of(node))))
        return [Pick(axis, node.outputs[0], axis) for axis in axes if pads.get(axis, (0, 0)) == (0, 0)]

    def constants(self, node: ir.Node, constants: Constants) -> None:
        """A constant survives cropping, padding with copies of it, and padding with the same number."""
        super().constants(node, constants)
        pads = _pads(node) or {}
        copies = node.attributes.get_string("mode", "constant") != "constant"
        if copies or not any(pad > 0 for pair in pads.values() for pad in pair):
            return
        added = _added(node, constants)
        for axis in constants.spaces.axes_of(node.outputs[0]):
            numbers = constants.of(node.outputs[0], axis)
            constants.put(node.outputs[0], axis, np.where(numbers == added, numbers, np.nan))


def _pads(node: ir.Node) -> dict[int, tuple[int, int]] | None:
    """What is added in front of and behind each axis that is named; None if it is computed."""
    pads, axes = constant_integers(node, 1, "pads"), constant_integers(node, 3, "axes")
    rank = len(sizes(source_of(node)))
    if pads is None or axes is None:
        return None
    numbers = [int(axis) % rank for axis in axes] if axes.size else list(range(rank))
    if pads.size != 2 * len(numbers) or len(set(numbers)) != len(numbers):
        return None
    front, behind = pads[: len(numbers)].tolist(), pads[len(numbers) :].tolist()
    return dict(zip(numbers, zip(front, behind, strict=True), strict=True))


def _added(node: ir.Node, constants: Constants) -> float:
    """The number that is padded with, nan if it is computed."""
    value = node.inputs[2] if len(node.inputs) > 2 else None
    if value is None:
        return node.attributes.get_float("value", 0.0)
    return constants.scalar(value) if array_of(value) is not None else np.nan
