"""Shapes of everything in a graph, inferred the same way everywhere."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import onnx_ir as ir
from onnx_ir.passes.common import ShapeInferencePass

__all__ = ["infer_shapes"]


def infer_shapes(model: ir.Model) -> bool:
    """Infer shapes in place, where they can be told; returns whether any was found.

    Values are not followed (``data_prop``): ONNX's inference computes them whole, and an Expand of 10^10
    elements would be. What follows from values, constant folding finds, within bounds. What cannot be
    inferred stays unknown, which every pass takes as a reason to leave things alone: a failure is no news.
    """
    logger = logging.getLogger("onnx_ir")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        with _known_by_another_name(model):
            rules = ShapeInferencePass(check_type=False, strict_mode=False, data_prop=False)
            return bool(rules(model).modified)
    finally:
        logger.setLevel(level)


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
