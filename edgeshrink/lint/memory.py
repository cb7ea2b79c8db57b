"""Memory: weights and the values that live at once, against what the board has.

An estimate from below. Values live from the node that makes them to the last that reads them, in the graph's
order and in the types the graph states; weights count once. What CUDA and the operating system take is not in
it, as it is not known here, and the builder's workspace only where it is given.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import onnx_ir as ir

from edgeshrink.lint.rule import Hit, rule
from edgeshrink.lint.subject import Subject, bytes_of, megabytes

__all__ = ["Memory", "memory_of"]


@dataclass(frozen=True)
class Memory:
    """What a run needs at least, in bytes.

    Attributes:
        weights: All constants.
        activations: The most that inputs, outputs and values in between take at one time.
        unknown: Values whose size is not known, which count as nothing.
        at: The node at which the activations are at their most; None without nodes.
    """

    weights: int
    activations: int
    unknown: int
    at: ir.Node | None


def memory_of(network: Subject) -> Memory:
    """The estimate, over the nodes of the graph itself: the values of branches and loops are not followed."""
    weights = sum(bytes_of(value) or 0 for value in network.constants)
    last = _last_reads(network.graph)
    live: dict[ir.Value, int] = {value: bytes_of(value) or 0 for value in network.graph.inputs}
    most, at, unknown = sum(live.values()), None, sum(bytes_of(value) is None for value in live)
    held = most
    for index, node in enumerate(network.graph):
        for value in node.outputs:
            size = bytes_of(value) if value.name else 0
            unknown += size is None
            live[value] = 0 if node.op_type == "Constant" else size or 0
            held += live[value]
        if held > most:
            most, at = held, node
        for value in {v for v in (*_reads(node), *node.outputs) if v in live and last.get(v, -1) <= index}:
            held -= live.pop(value)
    return Memory(weights, most, unknown, at)


def _last_reads(graph: ir.Graph) -> dict[ir.Value, int]:
    """The index of the last node that reads each value; the graph's outputs are read after all of them."""
    last = {value: index for index, node in enumerate(graph) for value in _reads(node)}
    return last | {value: len(graph) for value in graph.outputs}


def _reads(node: ir.Node) -> Iterator[ir.Value]:
    """What a node reads, and what the subgraphs in it read."""
    yield from (value for value in node.inputs if value is not None)
    for attribute in node.attributes.values():
        if attribute.type == ir.AttributeType.GRAPH:
            for inner in attribute.as_graph():
                yield from _reads(inner)


@rule("more-than-memory", "error", any_runtime=True)
def more_than_memory(network: Subject) -> Iterator[Hit]:
    """Weights and live values alone are more than the board has."""
    has, memory = network.device.memory_bytes, memory_of(network)
    if has is not None and memory.weights + memory.activations > has:
        yield Hit(
            f"It needs {_text(memory)}; {network.device.name} has {megabytes(has)} for everything.",
            "Prune more, take smaller inputs or a smaller batch, or choose another device.",
            memory.at,
        )


@rule("much-of-memory", "warning", any_runtime=True)
def much_of_memory(network: Subject) -> Iterator[Hit]:
    """Building may not fit: the file's bytes and the engine hold the weights, beside the workspace."""
    has, memory = network.device.memory_bytes, memory_of(network)
    building = 2 * memory.weights + memory.activations + network.workspace_bytes
    if has is not None and memory.weights + memory.activations <= has < building:
        workspace = (
            f" and a workspace of {megabytes(network.workspace_bytes)}" if network.workspace_bytes else ""
        )
        yield Hit(
            f"It needs {_text(memory)}. Building an engine holds the weights twice: with them{workspace} "
            f"that is {megabytes(building)}, and {network.device.name} has {megabytes(has)} for everything.",
            "Close what else runs, add swap, give the builder a smaller workspace, or prune more.",
            memory.at,
        )


def _text(memory: Memory) -> str:
    known = f", and {memory.unknown} values of unknown size" if memory.unknown else ""
    return (
        f"{megabytes(memory.weights)} of weights and {megabytes(memory.activations)} of values at once{known}"
    )
