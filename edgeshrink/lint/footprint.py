"""What memory a network takes: weights, and the values that live at once.

How the figures are made, each an estimate from below of what the device will need:

    running  = weights + activations
    building = 2 · weights + activations + workspace

Weights count once each, in the types that are stored. Activations are the most that inputs, outputs and the
values between them take at one time: in the graph's order, each from the node that makes it to the last that
reads it, in the types that the graph states (an engine in FP16 needs half of that for float32), with all that
a branch or a loop's body holds at its own worst, and with open sizes at the largest of their range. While it
builds, TensorRT holds the weights at least twice, as they were parsed and inside the engine
(docs.nvidia.com, TensorRT, How TensorRT Works: Memory).

What cannot be known here is not in it, and is said beside the figures: CUDA's context, the libraries, the
operating system and what else runs, a workspace that nobody stated, and values of unknown size.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import onnx_ir as ir

from edgeshrink.lint.values import bytes_of

__all__ = ["UNCOUNTED", "Memory", "memory_of"]

UNCOUNTED = "what CUDA, its libraries, the operating system and other programs take"


@dataclass(frozen=True)
class Memory:
    """What a run needs at least, in bytes.

    Attributes:
        weights: All constants.
        activations: The most that inputs, outputs and values in between take at one time.
        unknown: Values whose size is not known, which count as nothing.
        workspace: What the builder may take beside the network; 0 where nobody said.
        at: The node at which the activations are at their most; None without nodes.
    """

    weights: int
    activations: int
    unknown: int
    workspace: int
    at: ir.Node | None

    @property
    def running(self) -> int:
        """Weights and activations."""
        return self.weights + self.activations

    @property
    def building(self) -> int:
        """As `running`, with the weights twice and the workspace."""
        return 2 * self.weights + self.activations + self.workspace


def memory_of(graph: ir.Graph, constants: Iterable[ir.Value], workspace: int = 0) -> Memory:
    """The estimate for a graph, its constants and the builder's workspace in bytes."""
    weights = sum(bytes_of(value) or 0 for value in constants)
    most, unknown, at = _peak(graph)
    return Memory(weights, most, unknown, workspace, at)


def _peak(graph: ir.Graph, given: frozenset[ir.Value] = frozenset()) -> tuple[int, int, ir.Node | None]:
    """The most that a graph's own values take at once, how many are of unknown size, and where that is.

    Values `given` are counted elsewhere: what a branch puts out is the output of the node around it.
    """
    last = _last_reads(graph)
    live: dict[ir.Value, int] = {value: bytes_of(value) or 0 for value in graph.inputs}
    most, at, unknown = sum(live.values()), None, sum(bytes_of(value) is None for value in live)
    held = most
    for index, node in enumerate(graph):
        for value in node.outputs:
            size = bytes_of(value) if value.name and value not in given else 0
            unknown += size is None
            live[value] = 0 if node.op_type == "Constant" else size or 0
            held += live[value]
        inner = [_peak(body, frozenset(body.outputs)) for body in _bodies(node)]
        unknown += sum(part[1] for part in inner)
        if held + (within := max((part[0] for part in inner), default=0)) > most:
            most, at = held + within, node
        for value in {v for v in (*_reads(node), *node.outputs) if v in live and last.get(v, -1) <= index}:
            held -= live.pop(value)
    return most, unknown, at


def _last_reads(graph: ir.Graph) -> dict[ir.Value, int]:
    """The index of the last node that reads each value; the graph's outputs are read after all of them."""
    last = {value: index for index, node in enumerate(graph) for value in _reads(node)}
    return last | {value: len(graph) for value in graph.outputs}


def _bodies(node: ir.Node) -> list[ir.Graph]:
    """The graphs inside a node: branches and bodies."""
    return [a.as_graph() for a in node.attributes.values() if a.type == ir.AttributeType.GRAPH]


def _reads(node: ir.Node) -> Iterator[ir.Value]:
    """What a node reads, and what the subgraphs in it read."""
    yield from (value for value in node.inputs if value is not None)
    for body in _bodies(node):
        for inner in body:
            yield from _reads(inner)
