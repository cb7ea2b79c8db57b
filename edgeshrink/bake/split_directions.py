"""Split directions: bidirectional LSTM(x)  ->  [LSTM(x) | reverse LSTM(x)], joined where both are read.

Exact: the directions of an LSTM, GRU or RNN share nothing but their input. Unit i of one and unit i of the
other share an index, though, and could leave only together. Apart, each direction loses the units it can,
and goes as a whole where nobody reads it; `merge_directions` joins again what is of equal size in the end.
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
from onnx_ir.passes.common import RemoveUnusedNodesPass

from edgeshrink.bake.base import BakePass
from edgeshrink.graph.constants import array_of
from edgeshrink.graph.edit import add_constant, is_shared
from edgeshrink.graph.operators.base import operator_of, sizes
from edgeshrink.graph.operators.recurrent import Recurrent, cell_of

__all__ = ["DIRECTION_AXES", "REVERSE", "SplitDirections", "replace_input", "take_over"]

REVERSE = "_reverse"
"""What the name of a reverse direction has behind that of its forward partner."""

_BOTH = "_both"

DIRECTION_AXES = (1, 0, 0)
"""Where Y, Y_h and Y_c have their directions."""

_DATA, _LENGTHS = 0, 4
"""Inputs that both directions read as they are; all others have the directions on axis 0."""


class SplitDirections(BakePass):
    """Split every bidirectional layer whose outputs are read inside of the graph alone."""

    def rewrite(self, model: ir.Model) -> dict[str, int]:
        """Returns the number of layers split."""
        layers = [node for node in model.graph if _can_split(node)]
        for node in layers:
            _split(model.graph, node)
        if layers:
            RemoveUnusedNodesPass()(model)
        return {"layers": len(layers)} if layers else {}


def _can_split(node: ir.Node) -> bool:
    """Whether all that a direction is made of is a constant of its own, and ours to change."""
    attributes = node.attributes
    if not isinstance(operator_of(node), Recurrent) or attributes.get_int("layout", 0) != 0:
        return False
    if attributes.get_string("direction", "forward") != "bidirectional" or cell_of(node) is None:
        return False
    own = [value for i, value in enumerate(node.inputs) if value is not None and i not in (_DATA, _LENGTHS)]
    outside = any(
        output.is_graph_output() or any(reader.graph is not node.graph for reader, _ in output.uses())
        for output in node.outputs
    )
    stored = all(array_of(value) is not None and not is_shared(value) for value in own)
    return stored and not outside and not {"activation_alpha", "activation_beta"} & set(attributes)


def _split(graph: ir.Graph, node: ir.Node) -> None:
    both = [_one_direction(graph, node, direction) for direction in (0, 1)]
    graph.insert_before(node, both)
    for index, output in enumerate(node.outputs):
        parts, axis = [one.outputs[index] for one in both], DIRECTION_AXES[index]
        readers = list(dict.fromkeys(reader for reader, _ in output.uses()))
        others = [reader for reader in readers if not _read_apart(graph, reader, parts, axis)]
        if others:
            joint = ir.node("Concat", parts, {"axis": axis}, name=f"{output.name}_directions")
            graph.insert_after(both[1], joint)
            joint.outputs[0].shape, joint.outputs[0].type = output.shape, output.type
            replace_input(others, output, joint.outputs[0])


def _one_direction(graph: ir.Graph, node: ir.Node, direction: int) -> ir.Node:
    """A layer of one direction, with its share of the weights and outputs of its own."""
    suffix = REVERSE if direction else ""
    inputs = [
        value if value is None or index in (_DATA, _LENGTHS) else _share(graph, value, direction)
        for index, value in enumerate(node.inputs)
    ]
    attributes = {name: value for name, value in node.attributes.items() if name != "direction"}
    if "activations" in attributes:
        names = list(node.attributes.get_strings("activations"))
        own = names[len(names) // 2 :] if direction else names[: len(names) // 2]
        attributes["activations"] = ir.AttrStrings("activations", own)
    attributes["direction"] = ir.AttrString("direction", "reverse" if direction else "forward")
    name = f"{node.name}{suffix}" if node.name else None
    one = ir.Node("", node.op_type, inputs, attributes.values(), num_outputs=len(node.outputs), name=name)
    one.metadata_props.update(node.metadata_props)
    for new, old, axis in zip(one.outputs, node.outputs, DIRECTION_AXES, strict=False):
        new.name = f"{old.name}{suffix or '_forward'}" if old.name else old.name
        new.type = old.type
        if old.shape is not None:
            new.shape = ir.Shape([*old.shape[:axis], 1, *old.shape[axis + 1 :]])
    return one


def _share(graph: ir.Graph, value: ir.Value, direction: int) -> ir.Value:
    array = array_of(value)
    assert array is not None
    name = (value.name or "").removesuffix(_BOTH)
    value.name = f"{name}{_BOTH}"  # its name is the forward direction's now
    return add_constant(graph, f"{name}{REVERSE if direction else ''}", array[direction : direction + 1])


def _read_apart(graph: ir.Graph, reader: ir.Node, parts: list[ir.Value], axis: int) -> bool:
    """Let a reader that takes one direction, or joins the units of both, read them apart; returns whether."""
    if reader.op_type == "Gather" and reader.domain == "":
        return _read_one(graph, reader, parts, axis)
    if reader.op_type != "Transpose" or reader.outputs[0].is_graph_output():
        return False
    rank = len(sizes(parts[0]))
    order = [i for i in range(rank - 1) if i != axis]
    readers = [node for node, _ in reader.outputs[0].uses()]
    moved = list(reader.attributes.get_ints("perm", ())) == [*order, axis, rank - 1]
    if not moved or not readers or not all(_merges_directions(node, reader.outputs[0]) for node in readers):
        return False
    for node in readers:
        _join_units(graph, node, parts, axis)
    return True


def _read_one(graph: ir.Graph, reader: ir.Node, parts: list[ir.Value], axis: int) -> bool:
    index = array_of(reader.inputs[1])
    if (
        index is None
        or index.ndim != 0
        or reader.attributes.get_int("axis", 0) % len(sizes(parts[0])) != axis
    ):
        return False
    if index not in (-2, -1, 0, 1):
        return False
    zero = add_constant(graph, f"{reader.outputs[0].name}_index", np.zeros((), np.int64))
    reader.replace_input_with(0, parts[int(index) % 2])
    reader.replace_input_with(1, zero)
    return True


def _merges_directions(node: ir.Node, moved: ir.Value) -> bool:
    """Whether a Reshape makes [..., 2, H] to [..., 2 H] and keeps what is before."""
    shape = array_of(node.inputs[1]) if node.op_type == "Reshape" and node.domain == "" else None
    *before, directions, hidden = sizes(moved)
    output = node.outputs[0].shape
    if shape is None or output is None or len(shape) != len(before) + 1 or not isinstance(hidden, int):
        return False
    if directions != 2 or output[-1] != 2 * hidden or node.attributes.get_int("allowzero", 0) != 0:
        return False
    same = [length in (0, size) for length, size in zip(shape.tolist(), before, strict=False)]
    return sum(not known for known in same) <= 1  # the product leaves no choice for one that is left open


def _join_units(graph: ir.Graph, node: ir.Node, parts: list[ir.Value], axis: int) -> None:
    """In place of Transpose and Reshape: drop the axis of directions, and join the units of both."""
    output = node.outputs[0]
    flat = [_squeezed(graph, node, part, axis) for part in parts]
    joint = ir.node("Concat", flat, {"axis": len(sizes(flat[0])) - 1}, name=f"{output.name}_joint")
    graph.insert_before(node, joint)
    take_over(joint.outputs[0], output)


def _squeezed(graph: ir.Graph, before: ir.Node, part: ir.Value, axis: int) -> ir.Value:
    index = add_constant(graph, f"{part.name}_index", np.zeros((), np.int64))
    name = f"{part.name}_units_of_{before.outputs[0].name}"
    node = ir.node("Gather", [part, index], {"axis": axis}, name=name)
    graph.insert_before(before, node)
    new, shape = node.outputs[0], sizes(part)
    new.name = name
    new.shape, new.type = ir.Shape([*shape[:axis], *shape[axis + 1 :]]), part.type
    return new


def replace_input(readers: list[ir.Node], old: ir.Value, new: ir.Value) -> None:
    """Let some readers of a value read another."""
    for reader in readers:
        for index, value in enumerate(reader.inputs):
            if value is old:
                reader.replace_input_with(index, new)


def take_over(new: ir.Value, old: ir.Value) -> None:
    """Let a value stand for another, for all its readers and, if it is one, as the graph's output."""
    new.shape, new.type = old.shape, old.type
    new.name, old.name = old.name, f"{old.name}_before"
    old.replace_all_uses_with(new, replace_graph_outputs=True)
