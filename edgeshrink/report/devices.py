"""What `edgeshrink devices` says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console

from edgeshrink.devices import Device
from edgeshrink.report.table import plain_table
from edgeshrink.report.text import bytes_text

__all__ = ["print_devices"]


def print_devices(console: Console, known: Sequence[Device], machine: Mapping[str, Any]) -> None:
    """Print the known devices and what this machine is; a dash stands for what is not known."""
    table = plain_table("Known devices", "device", "also", "opset", "TensorRT", "memory", "what it is")
    for device in known:
        memory = bytes_text(device.memory_bytes) if device.memory_bytes else "–"
        table.add_row(
            device.name,
            ", ".join(device.aliases),
            str(device.opset),
            device.tensorrt or "–",
            memory,
            device.description,
        )
    console.print(table)
    kind = (
        machine["board"] if machine["jetson"] else f"no Jetson: {machine['cpu'] or machine['architecture']}"
    )
    console.print(f"\nthis machine: {kind}, {machine['cpu_cores']} cores, {machine['system']}")
