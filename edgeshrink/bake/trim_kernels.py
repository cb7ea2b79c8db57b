"""Trim kernels: a Conv whose outer taps are all zero gets a smaller one, sum w[k] x[i + k - p], k in [a, b).

Exact: taps a..b-1 become 0..b-a-1 and the padding in front shrinks by a, the one behind by K - b (times the
dilation). Each side of each spatial axis is trimmed by itself: 3x3 becomes 1x1, 3x1, or 2x3. Where the
padding is less than what is trimmed, the input is cropped by the difference, if that pays.
"""

from __future__ import annotations

from math import prod

import numpy as np
import numpy.typing as npt
import onnx_ir as ir

from edgeshrink.bake.base import BakePass
from edgeshrink.graph.constants import array_of
from edgeshrink.graph.edit import add_constant, is_shared, replace_weight
from edgeshrink.graph.operators.base import Size, sizes, source_of
from edgeshrink.graph.operators.contraction import weight_of

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
            weight = array_of(node.inputs[1]) if _trimmable(node) else None
            if weight is None:
                continue
            margins = _affordable(node, weight, _zero_margins(weight))
            if any(side for pair in margins for side in pair):
                crops += _trim(model.graph, node, weight, margins)
                kernels += 1
        return {"kernels": kernels, "crops": crops} if kernels else {}


def _trimmable(node: ir.Node) -> bool:
    if node.op_type != "Conv" or node.domain != "" or is_shared(weight_of(node)):
        return False
    shaped = source_of(node).shape is not None and node.outputs[0].shape is not None
    return shaped and node.attributes.get_string("auto_pad", "NOTSET") == "NOTSET"


def _zero_margins(weight: npt.NDArray[np.generic]) -> Margins:
    """How many outer taps are zero in every filter, in front and behind.

    One tap always stays: the middle one if all are zero, for which the padding is most often enough.
    """
    taps = _used_taps(weight)
    margins = []
    for axis, size in enumerate(taps.shape):
        used = np.flatnonzero(taps.any(axis=tuple(i for i in range(taps.ndim) if i != axis)))
        front, back = (used[0], used[-1]) if used.size else ((size - 1) // 2, (size - 1) // 2)
        margins.append((int(front), int(size - 1 - back)))
    return margins


def _used_taps(weight: npt.NDArray[np.generic]) -> npt.NDArray[np.bool_]:
    """Which taps of the kernel any filter uses; looks only as far as the first that does."""
    kernel = weight.shape[2:]
    used = [weight[(slice(None), slice(None)) + tap].any() for tap in np.ndindex(*kernel)]  # noqa: RUF005
    return np.array(used, dtype=bool).reshape(kernel)


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
    """Whether a crop saves more than it costs, and leaves something to read."""
    before, after = _static(sizes(source_of(node))[1:]), _static(sizes(node.outputs[0])[1:])
    if before is None or after is None:
        return False
    axes, pads = len(margins), _new_pads(node, margins)
    left = [size + min(pads[i], 0) + min(pads[axes + i], 0) for i, size in enumerate(before[1:])]
    kernel = weight.shape[2:]
    smaller = [size - front - behind for size, (front, behind) in zip(kernel, margins, strict=True)]
    saved_taps = (prod(kernel) - prod(smaller)) * weight.shape[1]
    return min(left) > 0 and saved_taps * prod(after) >= _MACS_PER_COPIED_ELEMENT * prod(before)


def _static(shape: tuple[Size, ...]) -> list[int] | None:
    known = [size for size in shape if isinstance(size, int)]
    return known if len(known) == len(shape) else None


def _trim(graph: ir.Graph, node: ir.Node, weight: npt.NDArray[np.generic], margins: Margins) -> int:
    """Trim one kernel; returns 1 if the input had to be cropped for it, else 0."""
    pads = _new_pads(node, margins)
    ends = [size - behind for size, (_, behind) in zip(weight.shape[2:], margins, strict=True)]
    taps = tuple(slice(front, end) for (front, _), end in zip(margins, ends, strict=True))
    trimmed = weight[(slice(None), slice(None)) + taps]  # noqa: RUF005  mypy takes a star here for 3.11's
    replace_weight(weight_of(node), trimmed)
    node.attributes["pads"] = ir.AttrInt64s("pads", [max(pad, 0) for pad in pads])
    node.attributes["kernel_shape"] = ir.AttrInt64s("kernel_shape", list(trimmed.shape[2:]))
    if min(pads) >= 0:
        return 0
    _crop(graph, node, [max(-pad, 0) for pad in pads])
    return 1


def _crop(graph: ir.Graph, node: ir.Node, crop: list[int]) -> None:
    """Let a Conv read its input without the outer positions that its trimmed kernel never reaches.

    Args:
        graph: The node's graph.
        node: A Conv whose input has static positions.
        crop: Positions to leave out, in front for each spatial axis, then behind.
    """
    source, axes = source_of(node), len(crop) // 2
    cut = [i for i in range(axes) if crop[i] or crop[axes + i]]
    shape = list(sizes(source))
    ends = []
    for i in cut:
        size = shape[2 + i]
        assert isinstance(size, int)
        ends.append(size - crop[axes + i])
        shape[2 + i] = ends[-1] - crop[i]
    bounds = {"starts": [crop[i] for i in cut], "ends": ends, "axes": [2 + i for i in cut]}
    name = f"{node.name}_crop"
    inputs = [add_constant(graph, f"{name}_{key}", np.array(of, np.int64)) for key, of in bounds.items()]
    slicing = ir.node("Slice", [source, *inputs], name=name)
    graph.insert_before(node, slicing)
    node.replace_input_with(0, slicing.outputs[0])
    slicing.outputs[0].shape, slicing.outputs[0].type = ir.Shape(shape), source.type
