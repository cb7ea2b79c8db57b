"""The layers of a graph: nodes with a stored weight, what a user calls them, where their units are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from math import prod
from typing import NamedTuple

import onnx_ir as ir

from edgeshrink.graph.constants import array_of
from edgeshrink.graph.module_paths import traced_path

__all__ = ["Layer", "layers_of", "weights_by_node"]

_RECURRENT = ("LSTM", "GRU", "RNN")


class Layer(NamedTuple):
    """One layer, or one direction of a recurrent one.

    Attributes:
        name: What a user knows it by: its module, else its weight's or its node's name; each is there once.
        key: The name of its weight, which rewrites leave alone.
        node: The node.
        weights: Its weights, the first of them the one that names it.
        units: How many units it writes.
        axis: The axis of the node's outputs that they are on, counted from the end; None if it is several.
        kernel: Spatial kernel, empty for linear and recurrent layers.
        rows: The axis of the first weight that holds the units, if it is one.
    """

    name: str
    key: str
    node: ir.Node
    weights: tuple[ir.Value, ...]
    units: int
    axis: int | None
    kernel: tuple[int, ...]
    rows: int | None


def layers_of(graph: ir.Graph) -> list[Layer]:
    """The layers in order, one that several nodes share counted once."""
    found: dict[str, Layer] = {}
    for node in graph:
        if node.domain == "":
            for layer in _layers_at(node):
                found.setdefault(layer.key, layer)
    return list(_named_apart(list(found.values())))


def weights_by_node(graph: ir.Graph) -> dict[str, str]:
    """The name of the weight that each layer's node reads, by the node's name."""
    nodes = (node for node in graph if node.domain == "" and node.name)
    return {node.name: layer.key for node in nodes if node.name for layer in _layers_at(node)}


def _named_apart(layers: list[Layer]) -> Iterator[Layer]:
    """Number the layers that one module holds several of, `lstm`, `lstm (2)`."""
    seen: Counter[str] = Counter()
    taken = {layer.name for layer in layers}
    for layer in layers:
        seen[layer.name] += 1
        name = layer.name
        while seen[layer.name] > 1 and name in taken:
            name = f"{layer.name} ({seen[layer.name]})"
            seen[layer.name] += name in taken
        taken.add(name)
        yield layer._replace(name=name)


def _layers_at(node: ir.Node) -> list[Layer]:
    weight = node.inputs[1] if len(node.inputs) > 1 else None
    array = array_of(weight)
    if node.op_type in ("MatMul", "Einsum"):
        return _products(node)
    if array is None or weight is None:
        return []
    if node.op_type in _RECURRENT and array.ndim == 3:
        return _directions(node, weight)
    kernel = array.shape[2:]
    if node.op_type == "Conv" and array.ndim > 2:
        return [_layer(node, weight, array.shape[0], 1 - array.ndim, 0, kernel)]
    if node.op_type == "ConvTranspose" and array.ndim > 2:
        groups = node.attributes.get_int("group", 1)
        rows = 1 if groups == 1 else None
        return [_layer(node, weight, array.shape[1] * groups, 1 - array.ndim, rows, kernel)]
    if node.op_type == "Gemm" and array.ndim == 2:
        rows = 0 if node.attributes.get_int("transB", 0) != 0 else 1
        return [_layer(node, weight, array.shape[rows], -1, rows)]
    return []


def _layer(
    node: ir.Node,
    weight: ir.Value,
    units: int,
    axis: int | None,
    rows: int | None,
    kernel: tuple[int, ...] = (),
) -> Layer:
    return Layer(_name(node, weight), weight.name or "", node, (weight,), int(units), axis, kernel, rows)


def _name(node: ir.Node, weight: ir.Value) -> str:
    stored = weight.name or ""
    if stored.endswith(".weight"):
        return stored.removesuffix(".weight")
    return traced_path(node) or node.name or stored


def _products(node: ir.Node) -> list[Layer]:
    """MatMul and Einsum of one value that is computed and one stored matrix, on either side."""
    stored = [(i, value) for i, value in enumerate(node.inputs) if array_of(value) is not None]
    if len(node.inputs) != 2 or len(stored) != 1:
        return []
    ((side, weight),) = stored
    assert weight is not None
    array = array_of(weight)
    assert array is not None
    if node.op_type == "Einsum":
        return _contraction(node, side, weight, array.shape)
    if array.ndim != 2:
        return []
    axis = -1 if side == 1 else -2
    return [_layer(node, weight, array.shape[axis], axis, axis % 2)]


def _contraction(node: ir.Node, side: int, weight: ir.Value, shape: tuple[int, ...]) -> list[Layer]:
    """An Einsum's units are on the axes that its output has from the weight alone."""
    equation = node.attributes.get_string("equation", "").replace(" ", "")
    terms, arrow, output = equation.partition("->")
    operands = terms.split(",")
    if not arrow or len(operands) != 2 or "." in operands[side] or len(operands[side]) != len(shape):
        return []
    own, other = operands[side], operands[1 - side]
    if not any(letter in other and letter not in output for letter in own):
        return []
    written = [letter for letter in own if letter in output and letter not in other]
    units = prod(shape[own.index(letter)] for letter in written)
    if len(written) != 1:
        return [_layer(node, weight, units, None, None)]
    (letter,) = written
    return [_layer(node, weight, units, output.index(letter) - len(output), own.index(letter))]


def _directions(node: ir.Node, weight: ir.Value) -> list[Layer]:
    """One layer a direction."""
    recurrent = node.inputs[2] if len(node.inputs) > 2 else None
    array = array_of(recurrent)
    if array is None or recurrent is None or array.ndim != 3:
        return []
    name, key = traced_path(node) or node.name or weight.name or "", weight.name or ""
    name, key = name.removesuffix("_reverse"), key.removesuffix("_reverse")
    way = node.attributes.get_string("direction", "forward")
    suffixes = {"forward": ("",), "reverse": ("_reverse",)}.get(way, ("", "_reverse"))
    return [
        Layer(f"{name}{suffix}", f"{key}{suffix}", node, (weight, recurrent), array.shape[2], -1, (), None)
        for suffix in suffixes
    ]
