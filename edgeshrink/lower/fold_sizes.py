"""Integers and booleans that follow from stored numbers alone -> stored numbers: axes, sizes, bounds.

Rules and parsers must know them, and exporters that were told not to optimize leave them as nodes. Exact: the
same operations, done once, by ONNX's own reference. Weights are left alone: a baseline stays what it was.
"""

from __future__ import annotations

from math import prod

import numpy as np
import onnx
import onnx_ir as ir
from onnx.reference import ReferenceEvaluator

from edgeshrink.graph.edit import add_constant
from edgeshrink.graph.operators.base import opset_of
from edgeshrink.graph.stored import stored_array

__all__ = ["fold_sizes"]

_MOST_ELEMENTS = 1024  # of one result
_ARITHMETIC = (
    *("Abs", "Add", "Cast", "Concat", "Div", "Equal", "Expand", "Gather", "Greater", "Less", "Max", "Min"),
    *("Mod", "Mul", "Neg", "Not", "Range", "ReduceProd", "Reshape", "Slice", "Squeeze", "Sub", "Transpose"),
    *("Unsqueeze", "Where"),
)


def fold_sizes(model: ir.Model) -> int:
    """Store, in place, what a few operators of the main graph make of stored numbers; types must be known.

    Returns:
        How many nodes went.
    """
    folded = 0
    for node in list(model.graph):
        if _is_known(node):
            _store(node, model.graph)
            folded += 1
    return folded


def _is_known(node: ir.Node) -> bool:
    if node.domain != "" or node.op_type not in _ARITHMETIC or node.outputs[0].is_graph_output():
        return False
    stored = all(value is None or stored_array(value) is not None for value in node.inputs)
    return stored and _is_small_integer(node.outputs[0])


def _is_small_integer(value: ir.Value) -> bool:
    shape, dtype = value.shape, value.dtype
    whole = dtype in (ir.DataType.BOOL, ir.DataType.INT32, ir.DataType.INT64)
    return whole and shape is not None and shape.is_static() and prod(shape.numpy()) <= _MOST_ELEMENTS


def _store(node: ir.Node, graph: ir.Graph) -> None:
    output = node.outputs[0]
    feeds = {value.name or "": stored_array(value) for value in node.inputs if value is not None}
    inputs = [onnx.helper.make_tensor_value_info(name, 0, None) for name in feeds]
    outputs = [onnx.helper.make_tensor_value_info(output.name or "", 0, None)]
    alone = onnx.helper.make_graph([ir.to_proto(node)], "sizes", inputs, outputs)
    opset = onnx.helper.make_opsetid("", opset_of(node))
    (made,) = ReferenceEvaluator(onnx.helper.make_model(alone, opset_imports=[opset])).run(None, feeds)
    assert output.dtype is not None
    array = np.asarray(made, output.dtype.numpy())
    output.replace_all_uses_with(add_constant(graph, f"{output.name}_known", array))
    graph.remove(node, safe=True)
