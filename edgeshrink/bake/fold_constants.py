"""Compute once what depends on weights alone: f(w, mask) -> w'.

Exact: the same operations in the same order, done now instead of at every inference. This is what turns a
mask that the network multiplies in at run time into zeros of the weight.
"""

from __future__ import annotations

from math import prod

import onnx_ir as ir
from onnx_ir.passes.common import (
    LiftConstantsToInitializersPass,
    RemoveUnusedNodesPass,
)
from onnxscript.optimizer import fold_constants

from edgeshrink.bake.base import BakePass
from edgeshrink.graph.shapes import infer_shapes
from edgeshrink.logs import unspoken

__all__ = ["FoldConstants"]

_GROWING = {"ConstantOfShape", "Expand", "Range", "Tile"}
_RANDOM = {"Bernoulli", "Dropout"}  # the folder knows the other random ones itself
_NO_LIMIT = 1 << 40
_SMALL = 1024
"""Elements up to which a folded constant may be larger than what it is made of; 4 kB of floats."""


class FoldConstants(BakePass):
    """Fold every node whose inputs are constants, unless it would store many copies of few numbers."""

    def rewrite(self, model: ir.Model) -> dict[str, int]:
        """Returns the number of nodes that went, and of constants that became initializers."""
        before, constants = model.graph.num_nodes(), _count_constants(model)
        lift = LiftConstantsToInitializersPass(lift_all_constants=True, size_limit=0)
        changed = lift(model).modified
        while _fold(model):
            changed = True
            if not _infer_shapes(model):
                break
        changed |= lift(model).modified
        changed |= RemoveUnusedNodesPass()(model).modified
        lifted = constants - _count_constants(model)
        folded = before - model.graph.num_nodes() - lifted
        return {"nodes": max(folded, 0), "lifted": max(lifted, 0)} if changed else {}


def _fold(model: ir.Model) -> bool:
    limits = {"input_size_limit": _NO_LIMIT, "output_size_limit": _NO_LIMIT}
    with unspoken("onnxscript"):
        return bool(fold_constants(model, **limits, should_fold=_pays).modified)


def _infer_shapes(model: ir.Model) -> bool:
    """Look again where lengths were not known: bounds that an exporter computes are numbers now."""
    values = [value for node in model.graph for value in node.outputs]
    if all(value.shape is not None and value.shape.is_static() for value in values):
        return False
    return infer_shapes(model)


def _count_constants(model: ir.Model) -> int:
    return sum(node.op_type == "Constant" for node in model.graph)


def _pays(node: ir.Node) -> bool | None:
    return False if node.domain != "" or node.op_type in _RANDOM or _grows(node) else None


def _grows(node: ir.Node) -> bool:
    """Whether the result is larger than what it is made of: an outer product, say.

    What is made to grow does so where its size is not known, or not small.
    """
    known = [v.shape for v in node.outputs if v.shape is not None and v.shape.is_static()]
    made = sum(prod(shape.numpy()) for shape in known)
    if node.op_type in _GROWING:
        return len(known) < len(node.outputs) or made > _SMALL
    read = {v: v.const_value.size for v in node.inputs if v is not None and v.const_value is not None}
    return made > max(sum(read.values()), _SMALL)
