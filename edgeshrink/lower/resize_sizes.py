"""Resize(x, sizes){axes, antialias} -> Resize(x, sizes of all axes) below opset 18; for TensorRT, antialias.

Axes that are not named keep their size. antialias is dropped where nothing gets smaller, as it widens the
filter of smaller pictures alone. A policy places pixels by one scale that sizes do not tell: it becomes
scales, where these give the same sizes, which they round down and the policy to the nearest.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import floor
from typing import Any

import numpy as np
import onnx_ir as ir

from edgeshrink.graph.stored import stored_array
from edgeshrink.lower.rule import NodeRule, Recorder

__all__ = ["LowerResizeSizes"]


class LowerResizeSizes(NodeRule):
    """Fires on constant sizes or scales of static shapes; a policy where the axes come out at one scale."""

    op_types = frozenset({"Resize"})
    native_from = 18

    def rewrite(self, node: ir.Node, op: Recorder) -> Sequence[ir.Value] | None:
        """Sizes stay sizes and scales stay scales, as they place pixels differently."""
        x, _, scales, sizes = (*node.inputs, None, None, None)[:4]
        given = node.attributes
        names = ("axes", "keep_aspect_ratio_policy", "antialias")
        if not any(name in given for name in names) or x is None or x.shape is None:
            return None
        if (
            not x.shape.is_static()
            or given.get_string("coordinate_transformation_mode", "") == "tf_crop_and_resize"
        ):
            return None
        shape = [int(size) for size in x.shape.numpy()]
        axes = [axis % len(shape) for axis in given.get_ints("axes", range(len(shape)))]
        factors, wanted = stored_array(scales), stored_array(sizes)
        known = {name: attribute.value for name, attribute in given.items() if name not in names}
        policy = given.get_string("keep_aspect_ratio_policy", "stretch")
        if wanted is not None and wanted.size and policy != "stretch":
            factors, wanted = _one_scale([shape[axis] for axis in axes], wanted.tolist(), policy), None
        if wanted is not None and wanted.size:
            full = list(shape)
            for axis, size in zip(axes, wanted.tolist(), strict=True):
                full[axis] = size
            inputs = [x, None, None, op.constant(full)]
        elif factors is not None and factors.size:
            all_factors = [1.0] * len(shape)
            for axis, factor in zip(axes, factors.tolist(), strict=True):
                all_factors[axis] = factor
            full = [floor(size * factor) for size, factor in zip(shape, all_factors, strict=True)]
            inputs = [x, None, op.constant(all_factors, ir.DataType.FLOAT)]
        else:
            return None
        if given.get_int("antialias", 0) and any(new < old for new, old in zip(full, shape, strict=True)):
            return None
        if given.get_string("mode", "nearest") == "linear":
            known.pop("exclude_outside", None)  # of two neighbours the border is left, which counts anyway
        return [op.op("Resize", inputs, known)]

    def _is_foreign(self, node: ir.Node) -> bool:
        smooth = node.attributes.get_int("antialias", 0) == 1
        return super()._is_foreign(node) or (smooth and self.target.parser is not None)


def _one_scale(
    old: Sequence[int], wanted: Sequence[int], policy: str | None
) -> np.ndarray[Any, np.dtype[np.float32]] | None:
    """The scale that a policy takes for all axes, where a Resize by it gives the policy's sizes."""
    ratios = [np.float32(new) / np.float32(size) for size, new in zip(old, wanted, strict=True) if size]
    if policy not in ("not_larger", "not_smaller") or len(ratios) != len(old):
        return None
    scale = min(ratios) if policy == "not_larger" else max(ratios)
    exact = [float(scale) * size for size in old]
    in_float32 = [float(scale * np.float32(size)) for size in old]
    nearest = [floor(size + 0.5) for size in exact]
    if [floor(size) for size in exact] != nearest or [floor(size) for size in in_float32] != nearest:
        return None
    return np.full(len(old), scale, np.float32)
