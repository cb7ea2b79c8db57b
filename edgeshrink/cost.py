"""What a network costs before any device is asked: parameters, multiply-accumulates, bytes, nodes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import prod

import onnx_ir as ir

from edgeshrink.graph.shapes import infer_shapes
from edgeshrink.onnx_bytes import size_of

__all__ = ["Cost", "cost"]


@dataclass(frozen=True)
class Cost:
    """Figures of one network.

    Attributes:
        parameters: Elements of the floating-point constants that nodes read.
        macs: Multiply-accumulates of convolutions, matrix products and recurrent layers,
            for one run at the graph's own shapes.
        bytes: Size of the file that holds the network.
        nodes: Nodes, those of subgraphs included.
    """

    parameters: int
    macs: int
    bytes: int
    nodes: int


def cost(model: ir.Model) -> Cost:
    """The figures of `model`, left as it is; products whose shapes are not static count as 0 MACs."""
    nodes = list(model.graph.all_nodes())
    shaped = _with_shapes(model, nodes)
    return Cost(
        parameters=sum(tensor.size for tensor in _constants(nodes)),
        macs=sum(_macs(node) for node in shaped),
        bytes=size_of(model),
        nodes=len(nodes),
    )


def _with_shapes(model: ir.Model, nodes: list[ir.Node]) -> list[ir.Node]:
    """The nodes with shapes on what they read and write: inferred on a copy where any is missing."""
    counted = [value for node in nodes if _rule(node) for value in (*node.inputs, *node.outputs)]
    if all(value is None or value.shape is not None for value in counted):
        return nodes
    copy = model.clone()
    infer_shapes(copy)
    return list(copy.graph.all_nodes())


def _constants(nodes: list[ir.Node]) -> list[ir.TensorProtocol]:
    """Each floating-point tensor that nodes read, once; those of Constant nodes too."""
    found = {}
    for node in nodes:
        for value in node.inputs:
            tensor = None if value is None else ir.convenience.get_const_tensor(value)
            if tensor is not None and tensor.dtype.is_floating_point():
                found[value] = tensor
    return list(found.values())


def _macs(node: ir.Node) -> int:
    rule = _rule(node)
    return rule(node) if rule else 0


def _rule(node: ir.Node) -> Callable[[ir.Node], int] | None:
    return _RULES.get(node.op_type) if node.domain == "" else None


def _conv(node: ir.Node) -> int:
    """Every output element sums over its group's input channels and the kernel."""
    return prod(_sizes(node.outputs[0])) * prod(_sizes(node.inputs[1])[1:])


def _conv_transpose(node: ir.Node) -> int:
    """Every input element is spread over its group's output channels and the kernel."""
    return prod(_sizes(node.inputs[0])) * prod(_sizes(node.inputs[1])[1:])


def _gemm(node: ir.Node) -> int:
    left = _sizes(node.inputs[0])
    inner = left[0 if node.attributes.get_int("transA", 0) else 1]
    return prod(_sizes(node.outputs[0])) * inner


def _matmul(node: ir.Node) -> int:
    return prod(_sizes(node.outputs[0])) * _sizes(node.inputs[0])[-1]


def _recurrent(node: ir.Node) -> int:
    """Every step multiplies the input by one weight and the state by the other; X is (steps, batch, ...)."""
    axes = (1, 0) if node.attributes.get_int("layout", 0) else (0, 1)
    source = _sizes(node.inputs[0])
    return source[axes[0]] * source[axes[1]] * sum(prod(_sizes(weight)) for weight in node.inputs[1:3])


_RULES = {
    "Conv": _conv,
    "ConvTranspose": _conv_transpose,
    "GRU": _recurrent,
    "Gemm": _gemm,
    "LSTM": _recurrent,
    "MatMul": _matmul,
    "RNN": _recurrent,
}


def _sizes(value: ir.Value | None) -> tuple[int, ...]:
    """Static sizes; zeros where they are not known, so that nothing is counted on a guess."""
    if value is None or value.shape is None:
        return (0, 0)
    return tuple(size if isinstance(size, int) else 0 for size in value.shape)
