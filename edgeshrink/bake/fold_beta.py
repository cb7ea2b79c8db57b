"""Fold beta: alpha x W + beta c  ->  alpha x W + c', with c' = beta c.

Exact: the same product, rounded once as at run time. The analysis knows layers with plain biases.
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from edgeshrink.bake.base import BakePass
from edgeshrink.graph.constants import array_of
from edgeshrink.graph.edit import add_constant, set_input

__all__ = ["FoldBeta"]


class FoldBeta(BakePass):
    """Fold the beta of every Gemm into its bias where that is stored."""

    def rewrite(self, model: ir.Model) -> dict[str, int]:
        """Returns the number of layers whose bias is plain now."""
        folded = sum(_fold(model.graph, node) for node in model.graph)
        return {"biases": folded} if folded else {}


def _fold(graph: ir.Graph, node: ir.Node) -> bool:
    beta = node.attributes.get_float("beta", 1.0)
    if node.op_type != "Gemm" or node.domain != "" or beta == 1.0:
        return False
    bias = node.inputs[2] if len(node.inputs) > 2 else None
    if bias is not None:
        array = array_of(bias)
        if array is None or bias.dtype is None or not bias.dtype.is_floating_point():
            return False
        with np.errstate(over="ignore"):
            scaled = (array.astype(np.float64) * beta).astype(array.dtype)
        if not np.isfinite(scaled).all():
            return False
        set_input(node, 2, add_constant(graph, f"{bias.name}_beta", scaled))
    del node.attributes["beta"]
    return True
