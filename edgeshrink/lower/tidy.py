"""What only makes the file larger goes: metadata, documentation, and shapes that inference finds again."""

from __future__ import annotations

import onnx_ir as ir

__all__ = ["StripNotes"]


class StripNotes(ir.passes.InPlacePass):
    """Drop everything but what is computed and the shapes of inputs and outputs."""

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        """Nodes' names stay: they say where a node comes from."""
        noted = bool(model.doc_string or model.metadata_props)
        model.doc_string = None
        model.metadata_props.clear()
        for graph in model.graphs():
            noted |= bool(graph.doc_string or graph.metadata_props)
            graph.doc_string = None
            graph.metadata_props.clear()
            for node in graph:
                noted |= bool(node.doc_string or node.metadata_props)
                node.doc_string = None
                node.metadata_props.clear()
            noted |= _strip_values(graph)
        return ir.passes.PassResult(model, modified=noted)


def _strip_values(graph: ir.Graph) -> bool:
    """Types and shapes of what nodes make, but for the graph's own outputs."""
    noted = False
    made = [value for node in graph for value in node.outputs]
    for value in [*graph.inputs, *graph.initializers.values(), *made]:
        noted |= bool(value.doc_string or value.metadata_props)
        value.doc_string = None
        value.metadata_props.clear()
    stored = [value for value in graph.initializers.values() if not value.is_graph_input()]
    for value in [*made, *stored]:  # a stored tensor says its own type and shape
        if not value.is_graph_output():
            noted |= value.shape is not None or value.type is not None
            value.shape = value.type = None
    return noted
