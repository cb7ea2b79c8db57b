"""What `edgeshrink devices` says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console

from edgeshrink.byte_sizes import bytes_text
from edgeshrink.devices import PRECISIONS, Device
from edgeshrink.report.table import plain_table

__all__ = ["print_devices"]


def print_devices(console: Console, known: Sequence[Device], machine: Mapping[str, Any]) -> None:
    """Print the known devices, in 80 columns, and what this machine is."""
    headings = ("device", "also", "JetPack", "TensorRT", "fast in")
    table = plain_table("Known devices", *headings, right=("opset", "memory"))
    for device in known:
        table.add_row(
            device.name,
            min(device.aliases, key=len, default="–"),
            device.jetpack or "–",
            device.tensorrt or "–",
            _fast(device),
            str(device.opset),
            bytes_text(device.memory_bytes) if device.memory_bytes else "–",
        )
    console.print(table)
    for line in _LEGEND:
        console.print(line, soft_wrap=True)
    console.print(f"\nthis machine: {_kind(machine)}, {machine['cpu_cores']} cores, {machine['system']}")


_LEGEND = (
    "\nopset: what export writes; memory: what CPU and GPU share; –: not known, or none",
    "--json has every fact and its source; --device takes a .toml of your own, too",
)


def _kind(machine: Mapping[str, Any]) -> str:
    """What this machine is, in words."""
    if not machine["jetson"]:
        return f"no Jetson: {machine['cpu'] or machine['architecture']}"
    release = f" (L4T {machine['l4t']})" if machine["l4t"] else ""
    word = " EMULATED" if machine["emulated"] else ""
    return f"{machine['board'] or 'a Jetson'}{release}{word}"


def _fast(device: Device) -> str:
    """The precisions in which the chip is faster than in FP32."""
    fast = [p.upper() for p in PRECISIONS[1:] if device.is_fast_in(p)]
    known = any(device.is_fast_in(p) is not None for p in PRECISIONS[1:])
    return ", ".join(fast) if fast else "FP32 alone" if known else "–"
