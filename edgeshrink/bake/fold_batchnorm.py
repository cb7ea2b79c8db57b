"""Fold BatchNorm: s (W x + b - m) / sqrt(v + e) + t  ->  (k W) x + k (b - m) + t, with k = s / sqrt(v + e).

Exact, and zeros stay zeros: a dead filter keeps a zero row, and its constant moves into the bias. A BatchNorm
stays where what it follows is not a layer, or where somebody else reads the layer's output or its weight; the
analysis knows what it does.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import onnx_ir as ir

from edgeshrink.bake.base import BakePass
from edgeshrink.graph.constants import array_of
from edgeshrink.graph.edit import add_constant, is_shared, replace_weight, set_input
from edgeshrink.graph.operators.normalization import affine_of

__all__ = ["FoldBatchNorm"]

Vector = npt.NDArray[np.float64]


class FoldBatchNorm(BakePass):
    """Fold every inference BatchNorm into the Conv, ConvTranspose or Gemm whose output only it reads."""

    def rewrite(self, model: ir.Model) -> dict[str, int]:
        """Returns the number of BatchNorms folded."""
        folded = sum(_fold(model.graph, node) for node in list(model.graph))
        return {"batch_norms": folded} if folded else {}


def _fold(graph: ir.Graph, norm: ir.Node) -> bool:
    """Fold one node if it is a BatchNorm that can be; returns whether."""
    layer = _layer_before(norm)
    affine = affine_of(norm) if layer is not None else None
    if layer is None or affine is None:
        return False
    weight, bias = layer.inputs[1], layer.inputs[2] if len(layer.inputs) > 2 else None
    array, old = array_of(weight), array_of(bias)
    if weight is None or array is None or is_shared(weight) or (bias is not None and old is None):
        return False
    slope, offset = affine
    scaled = _scale_rows(layer, array, slope)
    beta = layer.attributes.get_float("beta", 1.0)
    total = slope * (0.0 if old is None else beta * old.astype(np.float64)) + offset
    if scaled is None or not all(np.isfinite(array).all() for array in (slope, total, scaled)):
        return False
    replace_weight(weight, scaled)
    if bias is None or is_shared(bias):
        bias = add_constant(graph, f"{weight.name}.bias", total.astype(array.dtype))
        set_input(layer, 2, bias)
    else:
        replace_weight(bias, total.astype(array.dtype))
    layer.attributes.pop("beta", None)
    _take_place_of(layer, norm, graph)
    return True


def _layer_before(norm: ir.Node) -> ir.Node | None:
    """The layer whose output a BatchNorm alone reads."""
    source = norm.inputs[0] if norm.op_type == "BatchNormalization" and len(norm.outputs) == 1 else None
    layer = source.producer() if source is not None and norm.domain == "" else None
    if source is None or layer is None or is_shared(source) or layer.graph is not norm.graph:
        return None
    known = layer.domain == "" and layer.op_type in ("Conv", "ConvTranspose", "Gemm")
    return layer if known else None


def _scale_rows(layer: ir.Node, weight: npt.NDArray[Any], slope: Vector) -> npt.NDArray[Any] | None:
    """The weight with each output unit's row scaled; None where the sizes do not fit."""
    factor = slope.astype(np.promote_types(weight.dtype, np.float32))
    if layer.op_type == "ConvTranspose":  # (in, out / groups, *kernel), the inputs of a group side by side
        groups = layer.attributes.get_int("group", 1)
        if weight.shape[0] % groups or weight.shape[1] * groups != slope.size:
            return None
        rows = np.repeat(factor.reshape(groups, -1), weight.shape[0] // groups, axis=0)
        shaped = rows.reshape(*weight.shape[:2], *(1,) * (weight.ndim - 2))
    else:
        axis = 1 if layer.op_type == "Gemm" and not layer.attributes.get_int("transB", 0) else 0
        if weight.shape[axis] != slope.size:
            return None
        shaped = factor.reshape([-1 if i == axis else 1 for i in range(weight.ndim)])
    with np.errstate(over="ignore"):  # what leaves the range of its type is not folded
        scaled: npt.NDArray[Any] = weight * shaped
        return scaled.astype(weight.dtype, copy=False)


def _take_place_of(layer: ir.Node, norm: ir.Node, graph: ir.Graph) -> None:
    """Let a layer write what a norm behind it wrote, under the same name."""
    old, new = norm.outputs[0], layer.outputs[0]
    new.name, old.name = old.name, new.name
    new.shape, new.type = old.shape if old.shape is not None else new.shape, old.type or new.type
    old.replace_all_uses_with(new, replace_graph_outputs=True)
    graph.remove(norm, safe=True)
