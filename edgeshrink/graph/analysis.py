"""The three sweeps over a graph: spaces and constants forward, demand backward."""

from __future__ import annotations

from dataclasses import dataclass

import onnx_ir as ir

from edgeshrink.graph.constants import Constants
from edgeshrink.graph.demand import Demand
from edgeshrink.graph.operators import Operator, operator_of
from edgeshrink.graph.operators.base import describe
from edgeshrink.graph.spaces import Partition, Spaces

__all__ = ["Analysis", "analyse"]


@dataclass(frozen=True)
class Analysis:
    """What is known of every tracked axis of a graph.

    Attributes:
        spaces: The unit ids along every tracked axis.
        partition: Which units live and die together, and why pinned ones stay.
        constants: Which indices carry a known number.
        demand: Which indices can change an output.
    """

    spaces: Spaces
    partition: Partition
    constants: Constants
    demand: Demand


def analyse(graph: ir.Graph) -> Analysis:
    """Analyse a graph whose nodes are sorted; nothing is changed.

    Where a value has no shape, its producer and readers count as unknown operators: nothing can go there, and
    nothing goes wrong. Time is linear in the number of nodes and weights; beside the weights, memory holds
    one byte for each (row, column) of a layer.
    """
    spaces = Spaces()
    constants = Constants(spaces)
    nodes = list(graph)
    for node in nodes:
        operator = operator_of(node)
        operator.couple(node, spaces)
        _pin_the_rest(node, operator, spaces)
        operator.constants(node, constants)
    outward = _read_from_outside(graph, spaces)
    for value, reason in outward:
        spaces.pin_value(value, reason)
    demand = Demand(spaces, constants)
    for value, _ in outward:
        demand.add_all(value)
    for node in reversed(nodes):
        _demand_of_inputs(node, operator_of(node), demand)
    return Analysis(spaces, spaces.solve(), constants, demand)


def _pin_the_rest(node: ir.Node, operator: Operator, spaces: Spaces) -> None:
    """Pin every axis of the inputs that the operator gave no units to, also against nodes yet to come.

    A weight that an unknown node reads first and a layer reads later must keep its shape just the same.
    """
    followed = operator.followed(node)
    for index, value in enumerate(node.inputs):
        for axis in range(len(value.shape) if value is not None and value.shape is not None else 0):
            assert value is not None
            if index not in followed or spaces.get(value, axis) is None:
                spaces.pin_axis(value, axis, f"read by {describe(node)}")


def _demand_of_inputs(node: ir.Node, operator: Operator, demand: Demand) -> None:
    operator.demand(node, demand)
    followed = operator.followed(node)
    for index, value in enumerate(node.inputs):
        if value is not None and index not in followed:
            demand.add_all(value)


def _read_from_outside(graph: ir.Graph, spaces: Spaces) -> list[tuple[ir.Value, str]]:
    """The values that somebody outside the graph's own nodes reads, and who."""
    outward = [(value, f"graph output '{value.name}'") for value in graph.outputs]
    for value in {value: None for (value, _), _ in spaces.tracked()}:
        if any(node.graph is not graph for node, _ in value.uses()):
            outward.append((value, "read inside a subgraph"))
    return outward
