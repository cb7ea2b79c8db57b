"""Move biases past attention: softmax(s) @ (v + 1 c') @ w -> softmax(s) @ v @ w + c' w, for dead rows of v.

Exact: every row of a softmax sums to 1, so what is the same at every position passes it unchanged, and the
layer behind takes it into its bias. Only biases of rows whose weights are all zero move: their values become
zero, and a head of them can leave. The columns that read only such zeros are made zeros themselves, which
says so also where query, key and value are one layer, whose parts an analysis by axis cannot tell apart.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx_ir as ir

from edgeshrink.bake.base import BakePass
from edgeshrink.graph.constants import array_of
from edgeshrink.graph.edit import add_constant, add_to_bias, is_shared, replace_weight, set_input
from edgeshrink.graph.operators.base import operator_of, opset_of, sizes
from edgeshrink.graph.operators.contraction import Axes, Contraction, layers
from edgeshrink.graph.operators.factors import runs

__all__ = ["MoveValueBiases"]

Ids = npt.NDArray[np.int64]
"""Which entry of a bias is at each place of a value, -1 for none; length 1 where it is the same all along."""

_LAYERS = ("Gemm", "MatMul")


class MoveValueBiases(BakePass):
    """Move the biases of dead value rows into the layer behind the attention."""

    def rewrite(self, model: ir.Model) -> dict[str, int]:
        """Returns the number of biases moved and of columns made zeros."""
        graph = model.graph
        moved = sum(_move(graph, node, axes) for node, axes in list(layers(graph)) if node.op_type in _LAYERS)
        return {"biases and columns": moved} if moved else {}


@dataclass
class _Walk:
    """Where the entries of one bias go.

    Attributes:
        bad: Entries that reach something which does not pass them on as they are.
        attended: Entries that pass a softmax.
        deposits: Layers that sum over them, with the entry at each column.
    """

    bad: set[int] = field(default_factory=set)
    attended: set[int] = field(default_factory=set)
    deposits: list[tuple[ir.Node, Axes, Ids]] = field(default_factory=list)


def _move(graph: ir.Graph, layer: ir.Node, axes: Axes) -> int:
    weight, (adder, index) = array_of(layer.inputs[1]), _adder(layer)
    bias = array_of(adder.inputs[index]) if len(adder.inputs) > index else None
    if weight is None or bias is None or bias.shape != (weight.shape[axes.rows],):
        return 0
    dead = ~weight.any(axis=axes.columns) & np.isfinite(bias)
    if not dead.any() or layer.attributes.get_float("beta", 1.0) != 1.0:
        return 0
    output = adder.outputs[0]
    walk = _Walk()
    ids = np.where(dead, np.arange(dead.size), -1)
    _follow(graph, output, ids.reshape([1] * (len(sizes(output)) - 1) + [-1]), walk)
    good = np.isin(np.arange(dead.size), list(walk.attended - walk.bad))
    if not good.any():
        return 0
    numbers = np.where(good, bias, 0).astype(np.float64)
    for node, at, entries in walk.deposits:
        given = np.where(entries >= 0, numbers[entries], 0.0)
        operator = operator_of(node)
        if not given.any():
            continue
        assert isinstance(operator, Contraction)
        add_to_bias(node, operator.matrix(node, at)[:, :, 0].astype(np.float64) @ given)
    columns = sum(
        _silence(node, at, np.isin(entries, np.flatnonzero(good))) for node, at, entries in walk.deposits
    )
    if not numbers.any():
        return columns
    name = f"{_bias_name(adder, index)}_moved"
    set_input(adder, index, add_constant(graph, name, np.where(good, 0, bias).astype(bias.dtype)))
    return int((numbers != 0).sum()) + columns


def _silence(node: ir.Node, axes: Axes, silent: npt.NDArray[np.bool_]) -> int:
    """Make the columns zeros that read nothing but zeros; returns how many were not."""
    weight = node.inputs[1]
    array = array_of(weight)
    if weight is None or array is None or is_shared(weight):
        return 0
    columns = silent & array.any(axis=axes.rows)
    if columns.any():
        kept = np.expand_dims(~columns, axes.rows)
        replace_weight(weight, np.where(kept, array, np.zeros((), array.dtype)))
    return int(columns.sum())


def _bias_name(adder: ir.Node, index: int) -> str:
    """The name of the bias that a node adds."""
    value = adder.inputs[index]
    return (value.name if value is not None else None) or "bias"


def _adder(layer: ir.Node) -> tuple[ir.Node, int]:
    """The node that adds a layer's bias, and which of its inputs that is."""
    output = layer.outputs[0]
    uses = list(output.uses())
    if layer.op_type == "MatMul" and len(uses) == 1 and not output.is_graph_output():
        node, index = uses[0]
        if node.op_type == "Add" and node.domain == "" and node.graph is layer.graph:
            return (node, 1 - index) if node.outputs[0].shape == output.shape else (layer, 2)
    return layer, 2


def _follow(graph: ir.Graph, value: ir.Value, ids: Ids, walk: _Walk) -> None:
    """Follow entries to all readers of a value."""
    here = set(np.unique(ids[ids >= 0]).tolist())
    if not here:
        return
    if value.is_graph_output():
        walk.bad |= here
    for node, index in value.uses():
        at = _deposit(node, index, ids)
        if at is not None and node.graph is graph:
            walk.deposits.append(at)
            continue
        passed = _passed(node, index, ids) if node.graph is graph and node.domain == "" else None
        if passed is None:
            walk.bad |= here
            continue
        if node.op_type == "MatMul":
            walk.attended |= here
        for output, own in zip(node.outputs, passed, strict=True):
            _follow(graph, output, own, walk)


def _deposit(node: ir.Node, index: int, ids: Ids) -> tuple[ir.Node, Axes, Ids] | None:
    """The entry at each column of a layer, if the node is one that sums over just these."""
    operator = operator_of(node)
    axes = operator.axes(node) if isinstance(operator, Contraction) and node.op_type in _LAYERS else None
    weight = array_of(node.inputs[1]) if axes is not None else None
    if axes is None or weight is None or index != 0 or ids.size != ids.shape[axes.source]:
        return None
    return node, axes, np.broadcast_to(ids.reshape(-1), weight.shape[axes.columns])


def _passed(node: ir.Node, index: int, ids: Ids) -> list[Ids] | None:
    """Where entries are in a node's outputs; None if it does not pass them on as they are."""
    if any(value is not None and value.shape is None for value in (node.inputs[0], *node.outputs)):
        return None
    if node.op_type == "MatMul":
        rows = index == 1 and ids.ndim > 1 and ids.shape[-2] == 1
        return [_leading(ids, node)] if rows and _averages(node) else None
    if index != 0:
        return None
    if node.op_type == "Transpose":
        return [ids.transpose(node.attributes.get_ints("perm", range(ids.ndim)[::-1]))]
    if node.op_type == "Identity":
        return [ids]
    if node.op_type in ("Reshape", "Flatten", "Squeeze", "Unsqueeze"):
        return _reshaped(node, ids)
    return _selected(node, ids)


def _leading(ids: Ids, node: ir.Node) -> Ids:
    """Axes of length 1 in front, where the product has more axes than the values."""
    return ids.reshape([1] * (len(sizes(node.outputs[0])) - ids.ndim) + list(ids.shape))


def _averages(node: ir.Node) -> bool:
    """Whether the left factor of a MatMul is a softmax over its last axis, and the right has positions."""
    left = node.inputs[0]
    producer = left.producer() if left is not None else None
    if left is None or producer is None or producer.op_type != "Softmax" or producer.domain != "":
        return False
    axis = producer.attributes.get_int("axis", -1 if opset_of(producer) >= 13 else 1)
    return axis % len(sizes(left)) == len(sizes(left)) - 1


def _reshaped(node: ir.Node, ids: Ids) -> list[Ids] | None:
    source, output = node.inputs[0], node.outputs[0]
    assert source is not None
    before, after = sizes(source), sizes(output)
    full, new, covered = [1] * len(before), [1] * len(after), set()
    for run in runs(before, after):
        covered |= set(run.sources)
        if any(ids.shape[axis] != 1 for axis in run.sources):
            for shape, lengths, axes in ((full, before, run.sources), (new, after, run.targets)):
                for axis in axes:
                    length = lengths[axis]
                    if not isinstance(length, int):
                        return None
                    shape[axis] = length
    if any(ids.shape[axis] != 1 and axis not in covered for axis in range(ids.ndim)):
        return None
    places = np.broadcast_to(ids, full).reshape(new)
    for axis in range(places.ndim):  # a batch that was merged with the heads and is split off again
        first = places.take([0], axis=axis)
        places = first if (places == first).all() else places
    return [places]


def _selected(node: ir.Node, ids: Ids) -> list[Ids] | None:
    """Through a Gather, Split or Slice on one axis with constant numbers."""
    constants = [array_of(value) for value in node.inputs[1:]]
    if node.op_type not in ("Gather", "Split", "Slice") or any(array is None for array in constants):
        return None
    numbers: list[npt.NDArray[Any]] = [array for array in constants if array is not None]
    if node.op_type == "Slice":
        if len(numbers) < 3 or numbers[2].size != 1:
            return None
        axis = int(numbers[2].item()) % ids.ndim
        step = int(numbers[3].item()) if len(numbers) > 3 else 1
        if ids.shape[axis] == 1:
            return [ids]
        if step < 1:
            return None
        part = slice(int(numbers[0].item()), int(numbers[1].item()), step)
        return [ids[(slice(None),) * axis + (part,)]]
    axis = node.attributes.get_int("axis", 0) % ids.ndim
    if node.op_type == "Gather":
        indices = numbers[0] if ids.shape[axis] != 1 else np.zeros([1] * numbers[0].ndim, np.int64)
        return [np.take(ids, indices.astype(np.int64), axis=axis)]
    if ids.shape[axis] == 1:
        return [ids] * len(node.outputs)
    lengths = [length for value in node.outputs if isinstance(length := sizes(value)[axis], int)]
    if len(lengths) < len(node.outputs) or sum(lengths) != ids.shape[axis]:
        return None
    return list(np.split(ids, np.cumsum(lengths)[:-1], axis=axis))
