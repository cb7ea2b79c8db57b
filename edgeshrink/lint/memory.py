"""Memory, against what the board has. How the figures come about stands in footprint.py."""

from __future__ import annotations

from collections.abc import Iterator

from edgeshrink.byte_sizes import bytes_text
from edgeshrink.lint.footprint import Memory
from edgeshrink.lint.rule import Hit, rule
from edgeshrink.lint.subject import Subject

__all__: list[str] = []


@rule("more-than-memory", "error", any_runtime=True)
def more_than_memory(network: Subject) -> Iterator[Hit]:
    """Weights and live values alone are more than the board has."""
    has, memory = network.device.memory_bytes, network.memory
    if has is not None and memory.running > has:
        yield Hit(
            f"It needs {_text(memory)}; {network.device.name} has {bytes_text(has)} for everything.",
            "Prune more, take smaller inputs or a smaller batch, or choose another device.",
            memory.at,
        )


@rule("much-of-memory", "warning", any_runtime=True)
def much_of_memory(network: Subject) -> Iterator[Hit]:
    """Building may not fit: the file's bytes and the engine hold the weights, beside the workspace."""
    has, memory = network.device.memory_bytes, network.memory
    if has is not None and memory.running <= has < memory.building:
        workspace = f" and a workspace of {bytes_text(memory.workspace)}" if memory.workspace else ""
        building = f"with them{workspace} that is {bytes_text(memory.building)}"
        yield Hit(
            f"It needs {_text(memory)}. Building an engine holds the weights twice: {building}, and "
            f"{network.device.name} has {bytes_text(has)} for everything.",
            "Close what else runs, add swap, give the builder a smaller workspace, or prune more.",
            memory.at,
        )


def _text(memory: Memory) -> str:
    values = f"{bytes_text(memory.weights)} of weights and {bytes_text(memory.activations)} of values at once"
    return f"{values}, and {memory.unknown} values of unknown size" if memory.unknown else values
