"""What every lowering rule is: one operator rewritten, node by node, into what older opsets have."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
import onnx_ir as ir

from edgeshrink.lower.target import Target

__all__ = ["NodeRule", "Recorder"]

SupportedAttribute = int | float | str | Sequence[int] | Sequence[float] | ir.DataType


class Recorder(ir.tape.Tape):
    """Records what replaces a node: `op("Mul", a, b)`, and constants, which go to the node's own graph."""

    def __init__(self, node: ir.Node) -> None:
        super().__init__()
        self._node = node

    def __call__(self, op_type: str, *inputs: ir.Value | None, **attributes: SupportedAttribute) -> ir.Value:
        """Record one node of one output."""
        return self.op(op_type, inputs, attributes)

    def constant(self, array: object, dtype: ir.DataType | np.dtype[Any] | type = np.int64) -> ir.Value:
        """A constant of its own name; of dtype int64 unless told."""
        graph = self._node.graph
        assert isinstance(graph, ir.Graph)
        kind = dtype.numpy() if isinstance(dtype, ir.DataType) else dtype
        stem = f"{self._node.outputs[0].name}_constant"
        name = next(
            n for i in range(len(graph.initializers) + 1) if (n := f"{stem}_{i}") not in graph.initializers
        )
        value = self.initializer(ir.tensor(np.asarray(array, kind), name=name))
        graph.register_initializer(value)
        return value

    def reduce(self, op_type: str, value: ir.Value | None, axes: Sequence[int], opset: int) -> ir.Value:
        """A reduction that keeps its dimensions; `axes` go where `opset` has them, an attribute before 18."""
        if opset < 18:
            return self.op(op_type, [value], {"axes": list(axes), "keepdims": 1})
        return self.op(op_type, [value, self.constant(list(axes))], {"keepdims": 1})


class NodeRule(ir.passes.InPlacePass):
    """One rewrite of single nodes; a subclass states it as a formula in its file's head.

    Attributes:
        op_types: The operators it looks at.
        native_from: The first opset that has the form it rewrites; from there on the rule does nothing, but
            for operators that the target's parser lacks all the same.
        fired: How many nodes it has rewritten.
    """

    op_types: ClassVar[frozenset[str]]
    native_from: ClassVar[int]

    def __init__(self, target: Target) -> None:
        """A rule that writes for `target`, whose opset is `self.opset`."""
        super().__init__()
        self.target = target
        self.opset = target.opset
        self.fired = 0

    @abstractmethod
    def rewrite(self, node: ir.Node, op: Recorder) -> Sequence[ir.Value] | None:
        """What takes the place of the node's outputs, recorded by `op`; None leaves the node as it is."""

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        """Rewrite every node of the model that the rule fits, those of subgraphs included."""
        before = self.fired
        for node in list(model.graph.all_nodes()):
            if node.domain == "" and node.op_type in self.op_types and self._is_foreign(node):
                self.fired += self._replace(node)
        return ir.passes.PassResult(model, modified=self.fired > before)

    def _is_foreign(self, node: ir.Node) -> bool:
        """Whether the target's opset or its parser lacks the form that this rule rewrites."""
        goes_down = self.opset < min(self.native_from, self.target.source)
        return goes_down or self.target.lacks(node.op_type)

    def _replace(self, node: ir.Node) -> bool:
        op = Recorder(node)
        values = self.rewrite(node, op)
        if values is None:
            return False
        for new in op.nodes:
            new.metadata_props.update(node.metadata_props)
        assert node.graph is not None
        ir.convenience.replace_nodes_and_values(node.graph, node, [node], op.nodes, node.outputs, values)
        return True
