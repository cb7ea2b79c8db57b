"""Merge directions: [LSTM(x) | reverse LSTM(x)]  ->  bidirectional LSTM(x), after `split_directions`.

Exact: the directions of an LSTM, GRU or RNN share nothing but their input. Two of equal size are one layer
again, which runtimes compute side by side; those of unequal size stay apart, which is smaller.
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
from onnx_ir.passes.common import RemoveUnusedNodesPass

from edgeshrink.bake.base import BakePass
from edgeshrink.bake.split_directions import DIRECTION_AXES, REVERSE, replace_input, take_over
from edgeshrink.graph.constants import array_of
from edgeshrink.graph.edit import add_constant, is_shared
from edgeshrink.graph.operators.base import operator_of, sizes
from edgeshrink.graph.operators.recurrent import Recurrent, cell_of

__all__ = ["MergeDirections"]

_OWN = (1, 2, 3, 5, 6, 7)
"""The inputs that each direction has for itself: all but the data and the lengths of sequences."""


class MergeDirections(BakePass):
    """Make one layer of a forward and a reverse one of equal size that read the same."""

    def rewrite(self, model: ir.Model) -> dict[str, int]:
        """Returns the number of layers made."""
        graph = model.graph
        single = [node for node in graph if _is_single(node)]
        layers = 0
        for forward in single:
            if _direction(forward) == "forward":
                reverse = next((node for node in single if _fits(forward, node)), None)
                if reverse is not None:
                    first = next(node for node in graph if node in (forward, reverse))
                    _merge(graph, first, forward, reverse)
                    single.remove(reverse)
                    layers += 1
        if layers:
            RemoveUnusedNodesPass()(model)
        return {"layers": layers} if layers else {}


def _direction(node: ir.Node) -> str:
    return node.attributes.get_string("direction", "forward")


def _is_single(node: ir.Node) -> bool:
    """Whether a layer has one direction, constants of its own, and readers inside of the graph alone."""
    if not isinstance(operator_of(node), Recurrent) or node.attributes.get_int("layout", 0) != 0:
        return False
    if _direction(node) == "bidirectional" or cell_of(node) is None:
        return False
    if {"activation_alpha", "activation_beta"} & set(node.attributes):  # as `split_directions` has it
        return False
    own = [node.inputs[index] for index in _OWN if index < len(node.inputs)]
    outside = any(
        output.is_graph_output() or any(reader.graph is not node.graph for reader, _ in output.uses())
        for output in node.outputs
    )
    stored = all(value is None or (array_of(value) is not None and not is_shared(value)) for value in own)
    return stored and not outside


def _fits(forward: ir.Node, node: ir.Node) -> bool:
    """Whether a layer is the other direction of one: reverse, and but for its weights the same.

    Layers that nobody split stay two: a user knows them by the names of their weights, of which one would go.
    """
    if _direction(node) != "reverse" or node.op_type != forward.op_type:
        return False
    if _weight_name(node) != f"{_weight_name(forward)}{REVERSE}":
        return False
    shapes = [
        [None if (array := array_of(_input(one, index))) is None else array.shape for index in _OWN]
        for one in (forward, node)
    ]
    same_inputs = all(_input(forward, index) is _input(node, index) for index in (0, 4))
    return same_inputs and shapes[0] == shapes[1] and _settings(forward) == _settings(node)


def _input(node: ir.Node, index: int) -> ir.Value | None:
    return node.inputs[index] if index < len(node.inputs) else None


def _weight_name(node: ir.Node) -> str | None:
    weight = _input(node, 1)
    return None if weight is None else weight.name


def _settings(node: ir.Node) -> dict[str, object]:
    """The attributes that both directions must agree on."""
    named = len(node.attributes.get_strings("activations", ()))
    own = ("direction", "activations")
    settings = {name: attribute.value for name, attribute in node.attributes.items() if name not in own}
    return {**settings, "named activations": named}


def _merge(graph: ir.Graph, first: ir.Node, forward: ir.Node, reverse: ir.Node) -> None:
    both = _both(graph, forward, reverse)
    graph.insert_before(first, both)
    for index, output in enumerate(both.outputs):
        axis = DIRECTION_AXES[index]
        parts = [one.outputs[index] if index < len(one.outputs) else None for one in (forward, reverse)]
        if all(part is not None for part in parts):
            _restore_joints(graph, output, [part for part in parts if part is not None], axis)
        for direction, part in enumerate(parts):
            if part is not None:
                _read_from_both(graph, both, output, part, axis, direction)


def _both(graph: ir.Graph, forward: ir.Node, reverse: ir.Node) -> ir.Node:
    count = max(len(forward.inputs), len(reverse.inputs))
    inputs = [_stacked(graph, forward, reverse, i) if i in _OWN else _input(forward, i) for i in range(count)]
    attributes = {**forward.attributes, "direction": ir.AttrString("direction", "bidirectional")}
    names = [list(one.attributes.get_strings("activations", ())) for one in (forward, reverse)]
    if names[0]:
        attributes["activations"] = ir.AttrStrings("activations", names[0] + names[1])
    outputs = max(len(forward.outputs), len(reverse.outputs))
    both = ir.Node("", forward.op_type, inputs, attributes.values(), num_outputs=outputs, name=forward.name)
    both.metadata_props.update(forward.metadata_props)
    for one in (reverse, forward):
        for new, old, axis in zip(both.outputs, one.outputs, DIRECTION_AXES, strict=False):
            if old.shape is not None and (old.name != "" or old.uses()):
                new.shape, new.type = ir.Shape([*old.shape[:axis], 2, *old.shape[axis + 1 :]]), old.type
                new.name = f"{(old.name or '').removesuffix('_forward').removesuffix('_reverse')}"
    for output in both.outputs:
        if output.shape is None:
            output.name = ""
    return both


def _stacked(graph: ir.Graph, forward: ir.Node, reverse: ir.Node, index: int) -> ir.Value | None:
    values = [_input(one, index) for one in (forward, reverse)]
    arrays = [array_of(value) for value in values]
    if values[0] is None or arrays[0] is None or arrays[1] is None:
        return None
    name = values[0].name
    values[0].name = f"{name}_forward"  # its name is that of both now
    return add_constant(graph, str(name), np.concatenate([arrays[0], arrays[1]]))


def _restore_joints(graph: ir.Graph, both: ir.Value, parts: list[ir.Value], axis: int) -> None:
    """Where both directions are joined, along their own axis or unit behind unit, read both at once."""
    for node, _ in [use for use in parts[0].uses() if use[1] == 0]:
        if _joins(node, parts, axis) and not node.outputs[0].is_graph_output():
            node.outputs[0].replace_all_uses_with(both)
        if not _takes_units(node, axis):
            continue
        for joint, _ in list(node.outputs[0].uses()):
            other = joint.inputs[1].producer() if len(joint.inputs) == 2 and joint.inputs[1] else None
            taken = other is not None and other.inputs[:1] == (parts[1],) and _takes_units(other, axis)
            if taken and other is not None:
                flat = [node.outputs[0], other.outputs[0]]
                if _joins(joint, flat, len(sizes(flat[0])) - 1):
                    _flatten(graph, joint, both, axis)


def _joins(node: ir.Node, parts: list[ir.Value], axis: int) -> bool:
    if node.op_type != "Concat" or node.domain != "" or list(node.inputs) != parts:
        return False
    return node.attributes.get_int("axis", 1) % len(sizes(parts[0])) == axis


def _takes_units(node: ir.Node, axis: int) -> bool:
    """Whether a node drops the axis of directions, of which there is one."""
    index = array_of(node.inputs[1]) if node.op_type == "Gather" and node.domain == "" else None
    if index is None or index.ndim != 0 or index != 0 or node.inputs[0] is None:
        return False
    return node.attributes.get_int("axis", 0) % len(sizes(node.inputs[0])) == axis


def _flatten(graph: ir.Graph, joint: ir.Node, both: ir.Value, axis: int) -> None:
    """In place of a Concat of units: [.., 2, .., H] -> [.., .., 2, H] -> [.., .., 2 H]."""
    output, shape = joint.outputs[0], sizes(both)
    order = [*(i for i in range(len(shape) - 1) if i != axis), axis, len(shape) - 1]
    moved = ir.node("Transpose", [both], {"perm": order}, name=f"{output.name}_moved")
    moved.outputs[0].shape, moved.outputs[0].type = ir.Shape([shape[i] for i in order]), both.type
    moved.outputs[0].name = f"{output.name}_moved"
    width = sizes(output)[-1]
    assert isinstance(width, int)
    target = np.array([*[0] * (len(shape) - 2), width], np.int64)
    flat = ir.node("Reshape", [moved.outputs[0], add_constant(graph, f"{output.name}_shape", target)])
    flat.name = f"{output.name}_flat"
    graph.insert_before(joint, [moved, flat])
    take_over(flat.outputs[0], output)


def _read_from_both(
    graph: ir.Graph, both: ir.Node, output: ir.Value, part: ir.Value, axis: int, direction: int
) -> None:
    """Let all readers of one direction take it from both."""
    others = []
    for reader in dict.fromkeys(reader for reader, _ in part.uses()):
        if _takes_units(reader, axis) and reader.inputs[0] is part:
            index = add_constant(graph, f"{output.name}_index", np.array(direction, np.int64))
            reader.replace_input_with(0, output)
            reader.replace_input_with(1, index)
        else:
            others.append(reader)
    if others:
        index = add_constant(graph, f"{output.name}_index", np.array([direction], np.int64))
        one = ir.node("Gather", [output, index], {"axis": axis}, name=f"{part.name}_alone")
        one.outputs[0].shape, one.outputs[0].type = part.shape, part.type
        graph.insert_after(both, one)
        replace_input(others, part, one.outputs[0])
