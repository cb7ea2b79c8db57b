"""The few edits every rewrite is made of: new constants, other weights, a bigger bias, unshared vectors."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import onnx_ir as ir

from edgeshrink.graph.constants import array_of

__all__ = ["add_constant", "add_to_bias", "is_shared", "replace_weight", "set_input", "unshare_vectors"]

Array = npt.NDArray[Any]


def add_constant(graph: ir.Graph, name: str, array: Array) -> ir.Value:
    """Add an initializer under a name that no initializer has yet.

    That no other value has it either is seen to once a pass, by `BakePass`: looking here would be a search of
    the whole graph for each constant.
    """
    unique = name
    count = 0
    while unique in graph.initializers:
        count += 1
        unique = f"{name}_{count}"
    value = ir.Value(name=unique, const_value=ir.tensor(array, name=unique))
    value.shape = ir.Shape(array.shape)
    value.type = ir.TensorType(ir.DataType.from_numpy(array.dtype))
    graph.register_initializer(value)
    return value


def replace_weight(value: ir.Value, array: Array) -> None:
    """Give an initializer another array, of the same dtype and any shape."""
    value.const_value = ir.tensor(np.require(array, requirements="C"), name=value.name)
    value.shape = ir.Shape(array.shape)


def is_shared(value: ir.Value) -> bool:
    """Whether more than one reader sees a value; whoever takes the graph's outputs is a reader too."""
    return len(value.uses()) > 1 or value.is_graph_output()


def set_input(node: ir.Node, index: int, value: ir.Value | None) -> None:
    """Set an input of a node, adding omitted ones before it where the node has fewer."""
    if index >= len(node.inputs):
        node.resize_inputs(index + 1)
    node.replace_input_with(index, value)


def add_to_bias(node: ir.Node, delta: npt.NDArray[np.float64]) -> tuple[ir.Node, ir.Value]:
    """Add one number per output unit to what a Conv, Gemm or MatMul computes.

    Args:
        node: The layer. MatMul has no bias of its own: the Add behind it takes it, or one that is put there.
        delta: float64 of shape (output units,).

    Returns:
        The node that adds the bias (the layer itself, or an Add), and the bias; its last axis is the units'.
    """
    weight = node.inputs[1]
    assert weight is not None
    assert weight.const_value is not None
    dtype = weight.const_value.dtype.numpy()
    name = f"{weight.name or node.name}.bias"
    adder, index = _bias_adder(node, dtype) if node.op_type == "MatMul" else (node, 2)
    bias = adder.inputs[index] if len(adder.inputs) > index else None
    old = array_of(bias)
    total = delta if old is None else old.astype(np.float64) + delta
    if bias is None or old is None or is_shared(bias) or old.shape != total.shape:
        assert isinstance(node.graph, ir.Graph)
        bias = add_constant(node.graph, name, total.astype(dtype))
        set_input(adder, index, bias)
    else:
        replace_weight(bias, total.astype(dtype))
    return adder, bias


def _bias_adder(node: ir.Node, dtype: np.dtype[Any]) -> tuple[ir.Node, int]:
    """The Add that holds the bias of a MatMul, put there if there is none, and which of its inputs it is."""
    readers = [reader for reader, _ in node.outputs[0].uses()]
    adds = len(readers) == 1 and (readers[0].op_type, readers[0].domain) == ("Add", "")
    if adds and readers[0].graph is node.graph:
        (index,) = (i for i, value in enumerate(readers[0].inputs) if value is not node.outputs[0])
        other = array_of(readers[0].inputs[index])
        same = readers[0].outputs[0].shape == node.outputs[0].shape  # else the sum is broadcast to more units
        if other is not None and other.ndim == 1 and same and not node.outputs[0].is_graph_output():
            return readers[0], index
    return _append_sum(node, dtype), 1


def _append_sum(node: ir.Node, dtype: np.dtype[Any]) -> ir.Node:
    graph, old = node.graph, node.outputs[0]
    assert isinstance(graph, ir.Graph)
    zero = add_constant(graph, f"{old.name}_zero", np.zeros((), dtype))
    add = ir.node("Add", [old, zero], name=f"{old.name}_sum")
    new = add.outputs[0]
    new.shape, new.type = (ir.Shape(old.shape) if old.shape is not None else None), old.type
    if old.is_graph_output():
        old.name, new.name = f"{old.name}_sum", old.name
    old.replace_all_uses_with(new, replace_graph_outputs=True)
    add.replace_input_with(0, old)
    graph.insert_after(node, add)
    return add


def unshare_vectors(graph: ir.Graph) -> int:
    """Give each reader of a shared per-channel constant a copy of its own; returns how many were copied.

    Exporters store equal vectors once; left shared, they would tie channels that have nothing to do with each
    other. Matrices stay shared: layers that share weights (siamese towers) must change in all places or none.
    """
    copies = 0
    for value in list(graph.initializers.values()):
        array = array_of(value)
        if array is None or array.size < 2 or max(array.shape) < array.size:
            continue
        own = 0 if value.is_graph_output() else 1
        for node, index in list(value.uses())[own:]:
            if node.graph is graph:
                set_input(node, index, add_constant(graph, f"{value.name}_copy", array))
                copies += 1
    return copies
