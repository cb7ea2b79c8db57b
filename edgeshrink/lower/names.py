"""Node names that lead back to the torch module, layer1/0/conv1/Conv: IR 7 has no other place for it."""

from __future__ import annotations

from collections import Counter

import onnx_ir as ir

from edgeshrink.graph.module_paths import module_path

__all__ = ["NameNodesAfterModules", "module_path"]


class NameNodesAfterModules(ir.passes.InPlacePass):
    """Name every node module path / operator, with a number where that is not unique.

    A node that no module path is known of keeps its own name.
    """

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        """Rename; the first of several nodes goes without a number."""
        seen: Counter[str] = Counter()
        taken: set[str] = set()
        changed = False
        for node in model.graph.all_nodes():
            path = module_path(node)
            known = path or node.metadata_props
            name = "/".join([*path.split("."), node.op_type]).strip("/") if known else node.name
            stem = name or node.op_type
            while (fresh := f"{stem}_{seen[stem]}" if seen[stem] else stem) in taken:
                seen[stem] += 1
            taken.add(fresh)
            changed |= fresh != node.name
            node.name = fresh
        return ir.passes.PassResult(model, modified=changed)
