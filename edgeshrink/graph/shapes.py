"""Shapes of everything in a graph, inferred the same way everywhere."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import onnx
import onnx_ir as ir
from onnx_ir.convenience import create_value_mapping
from onnx_ir.passes.common import ShapeInferencePass

from edgeshrink.logs import unspoken

__all__ = ["infer_shapes"]


def infer_shapes(model: ir.Model) -> bool:
    """Infer shapes in place, where they can be told; returns whether any was found.

    Values are not followed (``data_prop``): ONNX's inference computes them whole, and an Expand of 10^10
    elements would be. What follows from values, constant folding finds, within bounds. What cannot be
    inferred stays unknown, which every pass takes as a reason to leave things alone: a failure is no news.
    """
    if any(_makes_a_list(node) for node in model.graph.all_nodes()):
        return _infer_among_lists(model)
    with unspoken("onnx_ir"), _known_by_another_name(model):
        rules = ShapeInferencePass(check_type=False, strict_mode=False, data_prop=False)
        return bool(rules(model).modified)


def _makes_a_list(node: ir.Node) -> bool:
    """Whether a sequence or an optional may come out, which onnx_ir's pass would call a tensor."""
    return node.domain == "" and ("Sequence" in node.op_type or node.op_type.startswith("Optional"))


def _infer_among_lists(model: ir.Model) -> bool:
    """The same with types taken over whole, and weights copied twice: networks with sequences are rare."""
    try:
        inferred = ir.from_proto(onnx.shape_inference.infer_shapes(ir.to_proto(model)))
    except Exception:  # ONNX's own, and protobuf's for what is too large for a message
        return False
    changed = False
    for graph, told in zip(model.graphs(), inferred.graphs(), strict=True):
        known = create_value_mapping(told)
        for name, value in create_value_mapping(graph).items():
            found = known.get(name)
            if found is not None and found.type is not None and found.type != value.type:
                value.type, value.shape = found.type, found.shape or value.shape
                changed = True
    return changed


@contextmanager
def _known_by_another_name(model: ir.Model) -> Iterator[None]:
    """ONNX infers no shape for GroupNormalization; for its sibling it does, and it is the same."""
    nodes = [
        node for node in model.graph.all_nodes() if node.op_type == "GroupNormalization" and node.domain == ""
    ]
    try:
        for node in nodes:
            node.op_type = "InstanceNormalization"
        yield
    finally:
        for node in nodes:
            node.op_type = "GroupNormalization"
