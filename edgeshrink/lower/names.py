"""Node names that lead back to the torch module, layer1/0/conv1/Conv: IR 7 has no other place for it."""

from __future__ import annotations

import ast
from collections import Counter

import onnx_ir as ir

__all__ = ["NameNodesAfterModules", "module_path"]

SCOPES = "pkg.torch.onnx.name_scopes"  # torch.onnx writes the modules around a node here, outermost first


def module_path(node: ir.Node) -> str:
    """The torch module a node comes from, `layer1.0.conv1`; empty where nothing says.

    A weight's own name counts first: a convolution that took up its BatchNorm carries the BatchNorm's scopes.
    """
    for value in node.inputs[1:2]:
        name = "" if value is None or value.name is None else value.name
        if value is not None and value.is_initializer() and name.endswith(".weight"):
            return name.removesuffix(".weight")
    try:
        scopes = ast.literal_eval(node.metadata_props.get(SCOPES, "[]"))
    except (ValueError, SyntaxError):
        return ""
    return str(scopes[-2]) if len(scopes) > 1 else ""


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
