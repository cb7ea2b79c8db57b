"""A network whose open sizes are numbers, and with them every size that is computed from those."""

from __future__ import annotations

from collections.abc import Mapping

import onnx_ir as ir

from edgeshrink.bake.fold_constants import FoldConstants
from edgeshrink.graph.open_sizes import fixed, infer_shapes_anew

__all__ = ["at_sizes"]


def at_sizes(model: ir.Model, sizes: Mapping[str, int]) -> ir.Model:
    """A copy that shares the weights, with `sizes` by name; what follows from them is folded.

    Where `sizes` is empty that is the model itself.
    """
    if not sizes:
        return model
    known = fixed(model, sizes)
    nodes = -1
    while nodes != (nodes := known.graph.num_nodes()):
        FoldConstants()(known)  # sizes that are computed become numbers, and let others be told
        infer_shapes_anew(known)
    return known
