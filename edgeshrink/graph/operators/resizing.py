"""Resize, Upsample and GridSample: channels are carried, positions are interpolated."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from edgeshrink.graph.constants import Constants, array_of
from edgeshrink.graph.edit import add_constant, set_input
from edgeshrink.graph.operators.base import opset_of, register, sizes, source_of
from edgeshrink.graph.operators.selection import Pick, Selection

__all__ = ["GridSample", "Resize"]


@register("Resize", "Upsample")
class Resize(Selection):
    """Axes of scale 1 are carried, whatever the mode; the others stay."""

    def picks(self, node: ir.Node) -> list[Pick] | None:
        """The axes of scale 1; None where scales are computed, or taken from a region of interest."""
        scaled = _scaled_axes(node)
        if scaled is None:
            return None
        axes = range(len(sizes(source_of(node))))
        return [Pick(axis, node.outputs[0], axis) for axis in axes if axis not in scaled]

    def constants(self, node: ir.Node, constants: Constants) -> None:
        """Copies and means of two keep a constant; what other weights sum to is not quite 1."""
        super().constants(node, constants)
        if node.attributes.get_string("mode", "nearest") != "cubic" and not _antialiases(node):
            return
        _keep_zeros(node, constants)

    def resize(self, node: ir.Node) -> None:
        """Sizes are given for all axes, of which some may be shorter now."""
        value = _sizes_input(node)
        array, axes = array_of(value), _named_axes(node)
        if array is None:
            return
        lengths = sizes(node.outputs[0])
        new = [
            size if isinstance(size := lengths[axis], int) else int(old)
            for axis, old in zip(axes, array, strict=True)
        ]
        if new != array.tolist():
            assert isinstance(node.graph, ir.Graph)
            name = f"{node.outputs[0].name}_sizes"
            set_input(node, 3, add_constant(node.graph, name, np.array(new, dtype=np.int64)))


@register("GridSample")
class GridSample(Selection):
    """out[n, c] samples in[n, c] at the positions of a grid, which is the same for all channels."""

    def picks(self, node: ir.Node) -> list[Pick] | None:
        """The channels."""
        return [Pick(1, node.outputs[0], 1)]

    def constants(self, node: ir.Node, constants: Constants) -> None:
        """Zero stays zero; of other numbers the border knows only a part."""
        super().constants(node, constants)
        _keep_zeros(node, constants)


def _keep_zeros(node: ir.Node, constants: Constants) -> None:
    """Of the constants handed on, forget those that are not zero."""
    output = node.outputs[0]
    for axis in constants.spaces.axes_of(output):
        constants.put(output, axis, np.where(constants.of(output, axis) == 0, 0.0, np.nan))


def _antialiases(node: ir.Node) -> bool:
    return bool(node.attributes.get_int("antialias", 0))


def _named_axes(node: ir.Node) -> list[int]:
    """The axes that scales and sizes are given for, in their order."""
    rank = len(sizes(source_of(node)))
    return [axis % rank for axis in node.attributes.get_ints("axes", range(rank))]


def _sizes_input(node: ir.Node) -> ir.Value | None:
    return node.inputs[3] if len(node.inputs) > 3 else None


def _scaled_axes(node: ir.Node) -> set[int] | None:
    """The axes that may change length or be sampled anew; None if that is decided at run time."""
    cropped = node.attributes.get_string("coordinate_transformation_mode", "") == "tf_crop_and_resize"
    policy = node.attributes.get_string("keep_aspect_ratio_policy", "stretch")
    scales, axes = _scales(node), _named_axes(node)
    if cropped or policy != "stretch" or scales is None or len(scales) != len(axes):
        return None
    return {axis for axis, scale in zip(axes, scales, strict=True) if scale != 1}


def _scales(node: ir.Node) -> list[float] | None:
    """The scale of each named axis, nan where its length is not known before run time."""
    wanted = _sizes_input(node)
    if wanted is not None:
        array, axes = array_of(wanted), _named_axes(node)
        if array is None or array.size != len(axes):
            return None
        before = [sizes(source_of(node))[axis] for axis in axes]
        return [
            new / old if isinstance(old, int) and old > 0 else np.nan
            for new, old in zip(array.tolist(), before, strict=True)
        ]
    if "scales" in node.attributes:
        return list(node.attributes.get_floats("scales", []))
    index = 2 if node.op_type == "Resize" and opset_of(node) >= 11 else 1
    array = array_of(node.inputs[index]) if len(node.inputs) > index else None
    return None if array is None else array.reshape(-1).tolist()
