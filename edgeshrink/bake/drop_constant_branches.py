"""Drop branches that compute a constant: x + f(y) -> x + c, and then x + 0 -> x, x * 1 -> x.

Exact: where the analysis knows the number that every unit of a value carries for every input and position, an
operator that broadcasts may read those numbers instead. A dead dendrite (top weights all zero) goes this way,
and so does a masked residual branch; what nobody reads any more, clean-up removes.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import onnx_ir as ir
from onnx_ir.passes.common import RemoveUnusedNodesPass

from edgeshrink.bake.base import BakePass
from edgeshrink.graph.analysis import Analysis, analyse
from edgeshrink.graph.constants import array_of
from edgeshrink.graph.edit import add_constant, unshare_vectors

__all__ = ["DropConstantBranches"]

_NEUTRAL = {"Add": 0.0, "Sub": 0.0, "Mul": 1.0, "Div": 1.0}
_BROADCASTS = {"Add", "Sub", "Mul", "Div", "Max", "Min", "Sum"}


class DropConstantBranches(BakePass):
    """Replace constant operands by stored numbers, then drop sums and products that change nothing."""

    def rewrite(self, model: ir.Model) -> dict[str, int]:
        """Returns the number of operands made numbers, of nodes that went, and of shared vectors copied."""
        graph = model.graph
        copies = unshare_vectors(graph)
        before = graph.num_nodes()
        analysis = analyse(graph)
        operands = sum(_replace_operands(graph, node, analysis) for node in list(graph))
        _drop_neutral(graph)
        RemoveUnusedNodesPass()(model)
        done = {"operands": operands, "nodes": before - graph.num_nodes(), "copies": copies}
        return done if any(done.values()) else {}


def _replace_operands(graph: ir.Graph, node: ir.Node, analysis: Analysis) -> int:
    if node.op_type not in _BROADCASTS or node.domain != "":
        return 0
    replaced = 0
    for index, value in enumerate(node.inputs):
        others = [other for other in node.inputs if other is not value]
        if value is None or not any(_spans(other, node.outputs[0]) for other in others):
            continue
        constant = _constant_form(value, analysis)
        if constant is not None:
            node.replace_input_with(index, add_constant(graph, f"{value.name}_constant", constant))
            replaced += 1
    return replaced


def _spans(value: ir.Value | None, output: ir.Value) -> bool:
    """Whether an operand alone gives the output its full shape, so that the other may be broadcast.

    Two lengths of which nothing is known, not even a name, do not count as equal.
    """
    if value is None or array_of(value) is not None or value.shape is None or output.shape is None:
        return False
    unknown = any(not isinstance(size, int) and size.value is None for size in output.shape)
    return not unknown and value.shape == output.shape


def _constant_form(value: ir.Value, analysis: Analysis) -> npt.NDArray[Any] | None:
    """A computed value's numbers in a shape that broadcasts to it, if all are known along one of its axes."""
    if array_of(value) is not None or value.shape is None or value.dtype is None:
        return None
    for axis in analysis.spaces.axes_of(value):
        numbers = analysis.constants.of(value, axis)
        if np.isfinite(numbers).all():
            shape = [1] * len(value.shape)
            shape[axis] = numbers.size
            return numbers.astype(value.dtype.numpy()).reshape(shape)
    return None


def _drop_neutral(graph: ir.Graph) -> None:
    """Let readers of x + 0 or x * 1 read x, where neither shape nor a graph output's name is lost."""
    for node in graph:
        neutral = _NEUTRAL.get(node.op_type) if node.domain == "" else None
        output = node.outputs[0]
        if neutral is None or len(node.inputs) != 2 or output.is_graph_output():
            continue
        left, right = node.inputs
        for kept, dropped in ((left, right), (right, left)):
            ordered = node.op_type in ("Sub", "Div") and kept is not left
            array = array_of(dropped)
            if array is not None and not ordered and _spans(kept, output) and (array == neutral).all():
                assert kept is not None
                output.replace_all_uses_with(kept)
                break
