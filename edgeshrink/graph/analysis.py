"""The three sweeps over a graph: spaces and constants forward, demand backward."""

from __future__ import annotations

from dataclasses import dataclass

import onnx_ir as ir

from edgeshrink.graph.constants import Constants
from edgeshrink.graph.demand import Demand
from edgeshrink.graph.operators import operator_of
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
    """Analyse a graph whose nodes are sorted and whose values have shapes; nothing is changed.

    Time and memory are linear in the number of nodes and weights.
    """
    spaces = Spaces()
    constants = Constants(spaces)
    nodes = list(graph)
    for node in nodes:
        operator = operator_of(node)
        operator.couple(node, spaces)
        operator.constants(node, constants)
    outward = _read_from_outside(graph, spaces)
    for value, reason in outward:
        spaces.pin_value(value, reason)
    demand = Demand(spaces, constants)
    for value, _ in outward:
        demand.add_all(value)
    for node in reversed(nodes):
        operator_of(node).demand(node, demand)
    return Analysis(spaces, spaces.solve(), constants, demand)


def _read_from_outside(graph: ir.Graph, spaces: Spaces) -> list[tuple[ir.Value, str]]:
    """The values that somebody outside the graph's own nodes reads, and who."""
    outward = [(value, f"graph output '{value.name}'") for value in graph.outputs]
    for value in {value: None for (value, _), _ in spaces.tracked()}:
        if any(node.graph is not graph for node, _ in value.uses()):
            outward.append((value, "read inside a subgraph"))
    return outward
