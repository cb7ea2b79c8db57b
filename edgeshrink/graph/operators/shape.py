"""Shape: lengths are read, and no element: an axis that nobody asks for may become shorter."""

from __future__ import annotations

from collections.abc import Container

import numpy as np
import onnx_ir as ir

from edgeshrink.graph.constants import array_of
from edgeshrink.graph.demand import Demand
from edgeshrink.graph.operators.base import Operator, describe, register, sizes, source_of
from edgeshrink.graph.spaces import Spaces

__all__ = ["ShapeOf"]


@register("Shape")
class ShapeOf(Operator):
    """The lengths of some axes."""

    def followed(self, node: ir.Node) -> Container[int]:
        """The only input."""
        return range(1)

    def couple(self, node: ir.Node, spaces: Spaces) -> None:
        """Pin the axes whose length is asked for."""
        source = source_of(node)
        for axis in _asked(node):
            spaces.pin_axis(source, axis, f"its length is read by {describe(node)}")

    def demand(self, node: ir.Node, demand: Demand) -> None:
        """Nothing: whatever the elements are, the shape is the same."""


def _asked(node: ir.Node) -> set[int]:
    """The axes whose lengths anybody takes: of readers that take constant indices, only those."""
    axes = range(len(sizes(source_of(node))))
    start, end = node.attributes.get_int("start", 0), node.attributes.get_int("end", len(axes))
    told = np.array(axes[start:end], dtype=np.int64)
    output = node.outputs[0]
    if output.is_graph_output():
        return set(told.tolist())
    asked: set[int] = set()
    for reader, _ in output.uses():
        gathers = reader.op_type == "Gather" and reader.domain == "" and reader.inputs[0] is output
        taken = array_of(reader.inputs[1]) if gathers else None
        places = None if taken is None else taken.astype(np.int64)
        if places is None or ((places < -told.size) | (places >= told.size)).any():
            return set(told.tolist())
        asked.update(told[places].reshape(-1).tolist())
    return asked
