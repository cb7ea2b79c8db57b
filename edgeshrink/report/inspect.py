"""What `edgeshrink inspect` says."""

from __future__ import annotations

from dataclasses import asdict

from rich.console import Console

from edgeshrink.inspection import Inspection
from edgeshrink.report.changes import print_changes
from edgeshrink.report.layers import print_layers
from edgeshrink.report.text import counted

__all__ = ["print_inspection"]


def print_inspection(console: Console, found: Inspection, options: str) -> None:
    """Print what a file holds, layer by layer, what baking would do, and the next command.

    Args:
        console: Where to.
        found: What was found.
        options: The file and the options that named the network, as they are typed.
    """
    console.print(f"{found.source.name}: {found.source.format}")
    console.print(f"sha256 {found.source.sha256}")
    if found.activation:
        console.print(f"dendrite activation: {found.activation} (from: {found.activation_source})")
    if found.dropped:
        rules = ", ".join(f"{counted(count, 'tensors')} of {rule}" for rule, count in found.dropped.items())
        console.print(f"not loaded (training scaffolding): {rules}")
    console.print()
    if found.layers:
        print_layers(console, found.layers)
    if found.forecast is None:
        console.print(
            f"next: edgeshrink inspect {options} --arch FILE.py:FACTORY --input SHAPE", soft_wrap=True
        )
        return
    print_changes(console, asdict(found.forecast))
    console.print(f"next: edgeshrink export {options}", soft_wrap=True)
