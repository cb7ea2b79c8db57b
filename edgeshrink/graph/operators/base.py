"""The interface of an operator's meaning, the registry, and the meaning of an unknown operator."""

from __future__ import annotations

from collections.abc import Callable

import onnx_ir as ir

from edgeshrink.graph.constants import Constants
from edgeshrink.graph.demand import Demand
from edgeshrink.graph.spaces import Spaces

__all__ = ["Operator", "describe", "operator_of", "register"]


class Operator:
    """What the channel analysis must know of a kind of node. These defaults are safe for any operator."""

    def couple(self, node: ir.Node, spaces: Spaces) -> None:
        """Say which units the node's axes hold. Here: nothing it touches may change."""
        for value in node.inputs:
            if value is not None:
                spaces.pin_value(value, f"read by {describe(node)}, which the analysis does not know")

    def constants(self, node: ir.Node, constants: Constants) -> None:
        """Say which units of the outputs are constant. Here: none."""

    def demand(self, node: ir.Node, demand: Demand) -> None:
        """Say which units of the inputs are demanded, given those of the outputs. Here: all."""
        for value in node.inputs:
            if value is not None:
                demand.add_all(value)

    def resize(self, node: ir.Node) -> None:
        """Bring attributes and shape inputs in line with the output's new shape. Here: nothing depends on it."""


_UNKNOWN = Operator()
_REGISTRY: dict[str, Operator] = {}


def register(*op_types: str) -> Callable[[type[Operator]], type[Operator]]:
    """Register an operator class for op types of the default ONNX domain."""

    def add(cls: type[Operator]) -> type[Operator]:
        _REGISTRY.update(dict.fromkeys(op_types, cls()))
        return cls

    return add


def operator_of(node: ir.Node) -> Operator:
    """The meaning of a node; the safe default for an unknown op type, custom domain, missing shape, many outputs."""
    values = [*node.inputs, *node.outputs]
    unshaped = any(value is not None and value.shape is None for value in values)
    if node.domain not in ("", "ai.onnx") or len(node.outputs) != 1 or unshaped:
        return _UNKNOWN
    return _REGISTRY.get(node.op_type, _UNKNOWN)


def describe(node: ir.Node) -> str:
    """Name a node for a message: op type and node name."""
    return f"{node.op_type} '{node.name}'" if node.name else node.op_type
