"""Trim kernels: a Conv whose outer taps are all zero gets a smaller kernel, sum_k w[k] x[i + k - p] over k in [a, b).

Exact: taps a..b-1 become 0..b-a-1 and the padding in front shrinks by a, the one behind by K - b (times the
dilation). Each side of each spatial axis is trimmed by itself: 3x3 becomes 1x1, 3x1, or 2x3. Where the padding
is less than what is trimmed, the input is cropped by the difference, if that saves more than the copy costs.
"""

from __future__ import annotations

from math import prod

import numpy as np
import numpy.typing as npt
import onnx_ir as ir

from edgeshrink.bake.base import BakePass
from edgeshrink.graph.constants import array_of
from edgeshrink.graph.edit import add_constant, replace_weight

__all__ = ["TrimKernels"]

_MACS_PER_COPIED_ELEMENT = 16
"""A crop must save this many multiply-accumulates for each element it copies: far above what either costs on
any CPU or GPU, so that a crop is never a loss."""

Margins = list[tuple[int, int]]
"""For each spatial axis, how many taps to trim in front and behind."""


class TrimKernels(BakePass):
    """Trim the all-zero outer taps of every Conv whose weight nobody else reads."""

    def rewrite(self, model: ir.Model) -> dict[str, int]:
        """Returns the number of kernels trimmed, and of inputs cropped for it."""
        kernels = crops = 0
        for node in list(model.graph):
            weight = array_of(node.inputs[1]) if node.op_type == "Conv" else None
            if weight is None or not _trimmable(node):
                continue
            margins = _affordable(node, weight, _zero_margins(weight))
            if any(side for pair in margins for side in pair):
                crops += _trim(model.graph, node, weight, margins)
                kernels += 1
        return {"kernels": kernels, "crops": crops} if kernels else {}


def _trimmable(node: ir.Node) -> bool:
    weight, source = node.inputs[1], node.inputs[0]
    assert weight is not None
    known = source is not None and source.shape is not None and node.outputs[0].shape is not None
    return known and len(weight.uses()) == 1 and node.attributes.get_string("auto_pad", "NOTSET") == "NOTSET"


def _zero_margins(weight: npt.NDArray[np.generic]) -> Margins:
    """How many outer taps are zero in every filter, in front and behind; one tap always stays."""
    margins = []
    for axis in range(2, weight.ndim):
        others = tuple(i for i in range(weight.ndim) if i != axis)
        used = np.flatnonzero((weight != 0).any(axis=others))
        first, last = (used[0], used[-1]) if used.size else (0, 0)
        margins.append((int(first), int(weight.shape[axis] - 1 - last)))
    return margins


def _geometry(node: ir.Node, axes: int) -> tuple[list[int], list[int]]:
    """The padding (all in front, then all behind) and the dilation of each spatial axis."""
    pads = list(node.attributes.get_ints("pads", [0] * (2 * axes)))
    return pads, list(node.attributes.get_ints("dilations", [1] * axes))


def _new_pads(node: ir.Node, margins: Margins) -> list[int]:
    """The padding after trimming; negative where the input must be cropped."""
    axes = len(margins)
    pads, dilations = _geometry(node, axes)
    trimmed = [front for front, _ in margins] + [behind for _, behind in margins]
    return [pad - dilations[i % axes] * trim for i, (pad, trim) in enumerate(zip(pads, trimmed, strict=True))]


def _affordable(node: ir.Node, weight: npt.NDArray[np.generic], margins: Margins) -> Margins:
    """The margins, or only what the padding allows where a crop would not pay."""
    if min(_new_pads(node, margins), default=0) >= 0 or _crop_pays(node, weight, margins):
        return margins
    axes = len(margins)
    pads, dilations = _geometry(node, axes)
    return [
        (min(front, pads[i] // dilations[i]), min(behind, pads[axes + i] // dilations[i]))
        for i, (front, behind) in enumerate(margins)
    ]


def _crop_pays(node: ir.Node, weight: npt.NDArray[np.generic], margins: Margins) -> bool:
    source, output = node.inputs[0], node.outputs[0]
    assert source is not None
    assert source.shape is not None
    assert output.shape is not None
    sizes = [*source.shape[1:], *output.shape[1:]]
    if not all(isinstance(size, int) for size in sizes):
        return False
    kernel = weight.shape[2:]
    smaller = [size - front - behind for size, (front, behind) in zip(kernel, margins, strict=True)]
    saved_taps = (prod(kernel) - prod(smaller)) * weight.shape[1]
    copied: int = prod(source.shape[1:])  # type: ignore[arg-type]
    saved: int = saved_taps * prod(output.shape[1:])  # type: ignore[arg-type]
    return saved >= _MACS_PER_COPIED_ELEMENT * copied


def _trim(graph: ir.Graph, node: ir.Node, weight: npt.NDArray[np.generic], margins: Margins) -> int:
    """Trim one kernel; returns 1 if the input had to be cropped for it, else 0."""
    pads = _new_pads(node, margins)
    taps = tuple(slice(front, weight.shape[2 + i] - behind) for i, (front, behind) in enumerate(margins))
    value = node.inputs[1]
    assert value is not None
    replace_weight(value, weight[(slice(None), slice(None), *taps)])
    node.attributes["pads"] = ir.AttrInt64s("pads", [max(pad, 0) for pad in pads])
    node.attributes["kernel_shape"] = ir.AttrInt64s("kernel_shape", list(array_of(value).shape[2:]))  # type: ignore[union-attr]
    if min(pads) >= 0:
        return 0
    _crop(graph, node, [max(-pad, 0) for pad in pads])
    return 1


def _crop(graph: ir.Graph, node: ir.Node, crop: list[int]) -> None:
    """Let a Conv read its input without the outer positions that its trimmed kernel never reaches."""
    source = node.inputs[0]
    assert source is not None
    assert source.shape is not None
    axes = len(crop) // 2
    cut = [i for i in range(axes) if crop[i] or crop[axes + i]]
    name = f"{node.name}_crop"
    bounds = {
        "starts": [crop[i] for i in cut],
        "ends": [-crop[axes + i] if crop[axes + i] else np.iinfo(np.int64).max for i in cut],
        "axes": [2 + i for i in cut],
    }
    inputs = [
        add_constant(graph, f"{name}_{key}", np.array(numbers, np.int64)) for key, numbers in bounds.items()
    ]
    crop_node = ir.node("Slice", [source, *inputs], name=name)
    graph.insert_before(node, crop_node)
    node.replace_input_with(0, crop_node.outputs[0])
    shape = list(source.shape)
    for i in cut:
        size = shape[2 + i]
        shape[2 + i] = size - crop[i] - crop[axes + i] if isinstance(size, int) else None  # type: ignore[call-overload]
    crop_node.outputs[0].shape = ir.Shape(shape)
    crop_node.outputs[0].dtype = source.dtype
