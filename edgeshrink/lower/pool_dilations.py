"""Pools with dilations -> forms without them.

AveragePool(x){dilations} -> Conv(x, 1 / taps){group = channels, dilations} below opset 19, and for
TensorRT: the same mean, which rounds differently by a bit or two. MaxPool(x){dilations} -> Max of slices of
the padded picture, one axis after the other, for TensorRT, whose parser takes no dilations; the largest is
the largest in any order.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import inf, prod

import numpy as np
import onnx_ir as ir

from edgeshrink.lower.pool_ceil_mode import missing_padding, static_sizes
from edgeshrink.lower.rule import NodeRule, Recorder, SupportedAttribute
from edgeshrink.lower.target import Target

__all__ = ["LowerAveragePoolDilations", "LowerMaxPoolDilations"]


def _takes_none(target: Target, op_type: str) -> bool:
    entry = None if target.parser is None else target.parser.operators.get(op_type)
    return entry is not None and entry.values.get("dilations") == (1,)


def _dilations(node: ir.Node) -> list[int]:
    rank = len(node.attributes.get_ints("kernel_shape", ()))
    return list(node.attributes.get_ints("dilations", [1] * rank))


class LowerAveragePoolDilations(NodeRule):
    """Fires on float32, known channels, and no padding unless it is counted."""

    op_types = frozenset({"AveragePool"})
    native_from = 19

    def rewrite(self, node: ir.Node, op: Recorder) -> Sequence[ir.Value] | None:
        """A depthwise convolution."""
        x, given, dilations = node.inputs[0], node.attributes, _dilations(node)
        if x is None or x.dtype != ir.DataType.FLOAT or x.shape is None or max(dilations, default=1) == 1:
            return None
        channels, kernel = x.shape[1], list(given.get_ints("kernel_shape", ()))
        pads = list(given.get_ints("pads", [0] * (2 * len(kernel))))
        if not isinstance(channels, int) or given.get_string("auto_pad", "NOTSET") not in ("NOTSET", "VALID"):
            return None
        strides = list(given.get_ints("strides", [1] * len(kernel)))
        if given.get_int("ceil_mode", 0) and _rounding_up_adds(x, kernel, dilations, strides, pads):
            return None
        uncounted = any(pads) and not given.get_int("count_include_pad", 0)
        if uncounted or _is_too_small(x, kernel, dilations, pads):
            return None
        weight = op.constant(np.full((channels, 1, *kernel), 1 / prod(kernel)), x.dtype)
        attributes: dict[str, SupportedAttribute] = {
            "group": channels,
            "dilations": dilations,
            "strides": strides,
            "pads": pads,
        }
        return [op.op("Conv", [x, weight], attributes)]

    def _is_foreign(self, node: ir.Node) -> bool:
        return super()._is_foreign(node) or _takes_none(self.target, "AveragePool")


class LowerMaxPoolDilations(NodeRule):
    """Fires on floats, explicit pads and static sizes where the parser takes no dilations."""

    op_types = frozenset({"MaxPool"})
    native_from = 0

    def rewrite(self, node: ir.Node, op: Recorder) -> Sequence[ir.Value] | None:
        """Padding is minus infinity, which is the largest of nothing."""
        x, given, dilations = node.inputs[0], node.attributes, _dilations(node)
        sizes = static_sizes(x)
        if x is None or sizes is None or max(dilations, default=1) == 1 or len(node.outputs) > 1:
            return None
        if x.dtype is None or not x.dtype.is_floating_point():
            return None
        if given.get_string("auto_pad", "NOTSET") != "NOTSET":
            return None
        kernel = list(given.get_ints("kernel_shape", ()))
        rank = len(kernel)
        strides = list(given.get_ints("strides", [1] * rank))
        pads = list(given.get_ints("pads", [0] * (2 * rank)))
        if given.get_int("ceil_mode", 0):
            missing = _missing(sizes, kernel, dilations, strides, pads)
            pads[rank:] = [pad + more for pad, more in zip(pads[rank:], missing, strict=True)]
        if _is_too_small(x, kernel, dilations, pads):
            return None
        value = x
        if any(pads):
            every = op.constant([0, 0, *pads[:rank], 0, 0, *pads[rank:]])
            value = op("Pad", x, every, op.constant(-inf, x.dtype))
        for axis in range(rank):
            size = sizes[axis] + pads[axis] + pads[axis + rank]
            value = _largest(value, axis + 2, size, (kernel[axis], dilations[axis], strides[axis]), op)
        return [value]

    def _is_foreign(self, node: ir.Node) -> bool:
        return _takes_none(self.target, "MaxPool")


def _missing(
    sizes: Sequence[int],
    kernel: Sequence[int],
    dilations: Sequence[int],
    strides: Sequence[int],
    pads: Sequence[int],
) -> list[int]:
    """What ceil_mode pads at the end of each axis."""
    reaches = [dilation * (k - 1) + 1 for dilation, k in zip(dilations, kernel, strict=True)]
    ends = zip(pads[: len(kernel)], pads[len(kernel) :], strict=True)
    return [
        missing_padding(size, stride, reach, begin, end)
        for size, stride, reach, (begin, end) in zip(sizes, strides, reaches, ends, strict=True)
    ]


def _rounding_up_adds(
    x: ir.Value, kernel: Sequence[int], dilations: Sequence[int], strides: Sequence[int], pads: Sequence[int]
) -> bool:
    """Whether ceil_mode may pad, as far as sizes are known."""
    sizes = static_sizes(x)
    return sizes is None or any(_missing(sizes, kernel, dilations, strides, pads))


def _is_too_small(x: ir.Value, kernel: Sequence[int], dilations: Sequence[int], pads: Sequence[int]) -> bool:
    """Whether not one window is known to fit."""
    sizes = x.shape[2:] if x.shape is not None else []
    return any(
        isinstance(size, int)
        and size + pads[axis] + pads[axis + len(kernel)] < dilations[axis] * (kernel[axis] - 1) + 1
        for axis, size in enumerate(sizes)
    )


def _largest(value: ir.Value, axis: int, size: int, window: tuple[int, int, int], op: Recorder) -> ir.Value:
    """The largest of each window along one axis of `size` places."""
    taps, dilation, stride = window
    last = (size - dilation * (taps - 1) - 1) // stride * stride  # where the last window begins
    parts = [
        op("Slice", value, *(op.constant([bound]) for bound in (begin, begin + last + 1, axis, stride)))
        for begin in range(0, taps * dilation, dilation)
    ]
    return parts[0] if len(parts) == 1 else op("Max", *parts)
