"""Clean up: drop what nobody reads, merge what is there twice. Nothing that is computed changes.

The graph's inputs and outputs keep their names and their number: two outputs that happen to be equal stay
two. onnx_ir has passes for identities and repeated expressions, which join such outputs under one name, and
which take any operator they do not know for a function of its inputs; hence these.
"""

from __future__ import annotations

from collections.abc import Hashable

import onnx_ir as ir
from onnx_ir.passes.common import RemoveUnusedNodesPass

from edgeshrink.bake.base import BakePass
from edgeshrink.graph.constants import array_of

__all__ = ["CleanUp"]

_RANDOM = {
    "Bernoulli",
    "Dropout",
    "Multinomial",
    "RandomNormal",
    "RandomNormalLike",
    "RandomUniform",
    "RandomUniformLike",
}

_LARGEST_COMPARED = 4096
"""Elements of the largest constants that are looked through for equal ones: layers' weights never are."""

_COMPARABLE = {
    ir.AttributeType.FLOAT,
    ir.AttributeType.FLOATS,
    ir.AttributeType.INT,
    ir.AttributeType.INTS,
    ir.AttributeType.STRING,
    ir.AttributeType.STRINGS,
}


class CleanUp(BakePass):
    """Remove identities, repeated expressions, unread nodes and unread or repeated initializers."""

    def rewrite(self, model: ir.Model) -> dict[str, int]:
        """Returns the number of nodes and initializers that went."""
        graph = model.graph
        nodes, initializers = graph.num_nodes(), len(graph.initializers)
        _skip_identities(graph)
        _merge_equal_constants(graph)
        _merge_equal_nodes(graph)
        RemoveUnusedNodesPass()(model)
        went = {"nodes": nodes - graph.num_nodes(), "initializers": initializers - len(graph.initializers)}
        return went if any(went.values()) else {}


def _skip_identities(graph: ir.Graph) -> None:
    """Let readers of Identity(x) read x; a graph output hands its name to x, if x is free to take it."""
    for node in list(graph):
        if node.op_type != "Identity" or node.domain != "" or node.inputs[0] is None:
            continue
        source, output = node.inputs[0], node.outputs[0]
        if not output.is_graph_output():
            output.replace_all_uses_with(source)
        elif source.producer() is not None and not source.is_graph_output():
            source.name, output.name = output.name, None
            output.replace_all_uses_with(source, replace_graph_outputs=True)
            graph.remove(node, safe=True)


def _merge_equal_constants(graph: ir.Graph) -> None:
    """Let all readers of small constants of equal type, shape and bytes read the first (-0.0 is not 0.0)."""
    first: dict[Hashable, ir.Value] = {}
    for value in list(graph.initializers.values()):
        tensor = value.const_value
        if array_of(value) is None or value.is_graph_output() or tensor is None:
            continue
        if tensor.size > _LARGEST_COMPARED or tensor.dtype == ir.DataType.STRING:
            continue
        kept = first.setdefault((tensor.dtype, tuple(tensor.shape.numpy()), tensor.tobytes()), value)
        if kept is not value:
            value.replace_all_uses_with(kept)


def _merge_equal_nodes(graph: ir.Graph) -> None:
    """Let readers of the second of two nodes that compute the same read the first."""
    first: dict[Hashable, ir.Node] = {}
    for node in graph:
        key = _expression(node)
        kept = node if key is None else first.setdefault(key, node)
        if kept is not node and not any(output.is_graph_output() for output in node.outputs):
            for output, equal in zip(node.outputs, kept.outputs, strict=True):
                output.replace_all_uses_with(equal)


def _expression(node: ir.Node) -> Hashable | None:
    """What a node computes; None where two such nodes may differ: random ones, custom ones, subgraphs."""
    attributes = list(node.attributes.values())
    custom = node.domain != "" or node.op_type in _RANDOM
    if custom or any(attribute.type not in _COMPARABLE or attribute.is_ref() for attribute in attributes):
        return None
    settings = frozenset((attribute.name, attribute.type, _frozen(attribute)) for attribute in attributes)
    return node.op_type, tuple(node.inputs), settings, len(node.outputs)


def _frozen(attribute: ir.Attr) -> Hashable:
    value = attribute.value
    return tuple(value) if isinstance(value, list | tuple) else value
