"""The few edits every rewrite is made of: new constants, other weights, a bigger bias, replaced values."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import onnx_ir as ir

__all__ = ["add_constant", "add_to_bias", "replace_weight", "set_input", "unshare_vectors"]


def add_constant(graph: ir.Graph, name: str, array: npt.NDArray[Any]) -> ir.Value:
    """Add an initializer under a name not taken yet."""
    unique = name
    count = 0
    while unique in graph.initializers:
        count += 1
        unique = f"{name}_{count}"
    value = ir.Value(name=unique, const_value=ir.tensor(array, name=unique))
    value.shape = ir.Shape(array.shape)
    value.dtype = ir.DataType.from_numpy(array.dtype)
    graph.register_initializer(value)
    return value


def replace_weight(value: ir.Value, array: npt.NDArray[Any]) -> None:
    """Give an initializer another array, of the same dtype and any shape."""
    value.const_value = ir.tensor(np.ascontiguousarray(array), name=value.name)
    value.shape = ir.Shape(array.shape)


def set_input(node: ir.Node, index: int, value: ir.Value | None) -> None:
    """Set an input of a node, adding omitted ones before it where the node has fewer."""
    if index >= len(node.inputs):
        node.resize_inputs(index + 1)
    node.replace_input_with(index, value)


def add_to_bias(node: ir.Node, delta: npt.NDArray[np.float64]) -> None:
    """Add one number per output unit to what a Conv, Gemm or MatMul computes.

    Args:
        node: The layer. MatMul has no bias of its own and is followed by an Add.
        delta: float64 of shape (output units,).
    """
    graph = node.graph
    assert isinstance(graph, ir.Graph)
    weight = node.inputs[1]
    assert weight is not None
    assert weight.const_value is not None
    dtype = weight.const_value.dtype.numpy()
    name = f"{weight.name or node.name}.bias"
    if node.op_type == "MatMul":
        _append_sum(graph, node, add_constant(graph, name, delta.astype(dtype)))
        return
    bias = node.inputs[2] if len(node.inputs) > 2 else None
    if bias is None:
        set_input(node, 2, add_constant(graph, name, delta.astype(dtype)))
        return
    assert bias.const_value is not None
    old = bias.const_value.numpy().astype(np.float64)
    total = np.broadcast_to(old, np.broadcast_shapes(old.shape, delta.shape)) + delta
    if len(bias.uses()) > 1 or bias.const_value.shape != total.shape:
        set_input(node, 2, add_constant(graph, name, total.astype(dtype)))
    else:
        replace_weight(bias, total.astype(dtype))


def _append_sum(graph: ir.Graph, node: ir.Node, addend: ir.Value) -> None:
    old = node.outputs[0]
    total = ir.node("Add", [old, addend], name=f"{node.name}_bias")
    total.outputs[0].shape = ir.Shape(old.shape) if old.shape is not None else None
    total.outputs[0].dtype = old.dtype
    if old.is_graph_output():
        old.name, total.outputs[0].name = f"{old.name}_sum", old.name
    old.replace_all_uses_with(total.outputs[0], replace_graph_outputs=True)
    total.replace_input_with(0, old)
    graph.insert_after(node, total)


def unshare_vectors(graph: ir.Graph) -> None:
    """Give each reader of a shared per-channel constant a copy of its own.

    Exporters store equal vectors once; left shared, they would tie channels that have nothing to do with each
    other. Matrices stay shared: layers that share weights (siamese towers) must change in all places or none.
    """
    for value in list(graph.initializers.values()):
        tensor = value.const_value
        if tensor is None or tensor.size < 2 or sum(int(size) > 1 for size in tensor.shape.numpy()) > 1:
            continue
        for node, index in list(value.uses())[1:]:
            if node.graph is graph:
                set_input(node, index, add_constant(graph, f"{value.name}_copy", tensor.numpy()))
