"""Compute once what depends on weights alone: f(w, mask) -> w'.

Exact: the same operations in the same order, done now instead of at every inference. This is what turns a mask
that the network multiplies in at run time into zeros of the weight.
"""

from __future__ import annotations

import onnx_ir as ir
from onnx_ir.passes.common import LiftConstantsToInitializersPass, RemoveUnusedNodesPass
from onnxscript.optimizer import fold_constants

from edgeshrink.bake.base import BakePass

__all__ = ["FoldConstants"]

_GROWING = {"ConstantOfShape", "Expand", "Range", "Tile"}
_NO_LIMIT = 1 << 40


class FoldConstants(BakePass):
    """Fold every node whose inputs are constants, unless it would store many copies of few numbers."""

    def rewrite(self, model: ir.Model) -> dict[str, int]:
        """Returns the number of nodes that went."""
        before = model.graph.num_nodes()
        LiftConstantsToInitializersPass(lift_all_constants=True, size_limit=0)(model)
        fold_constants(model, input_size_limit=_NO_LIMIT, output_size_limit=_NO_LIMIT, should_fold=_pays)
        LiftConstantsToInitializersPass(lift_all_constants=True, size_limit=0)(model)
        RemoveUnusedNodesPass()(model)
        folded = before - model.graph.num_nodes()
        return {"nodes": folded} if folded else {}


def _pays(node: ir.Node) -> bool | None:
    return False if node.op_type in _GROWING else None
