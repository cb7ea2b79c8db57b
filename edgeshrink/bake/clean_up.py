"""Clean up: drop what nobody reads, merge what is there twice. Nothing that is computed changes."""

from __future__ import annotations

import onnx_ir as ir
from onnx_ir.passes.common import (
    CommonSubexpressionEliminationPass,
    DeduplicateInitializersPass,
    IdentityEliminationPass,
    RemoveUnusedNodesPass,
)

from edgeshrink.bake.base import BakePass

__all__ = ["CleanUp"]


class CleanUp(BakePass):
    """Remove identities, repeated expressions, unread nodes and unread or repeated initializers."""

    def rewrite(self, model: ir.Model) -> dict[str, int]:
        """Returns the number of nodes and initializers that went."""
        nodes, initializers = model.graph.num_nodes(), len(model.graph.initializers)
        IdentityEliminationPass()(model)
        CommonSubexpressionEliminationPass()(model)
        DeduplicateInitializersPass()(model)
        RemoveUnusedNodesPass()(model)
        went = {
            "nodes": nodes - model.graph.num_nodes(),
            "initializers": initializers - len(model.graph.initializers),
        }
        return went if any(went.values()) else {}
