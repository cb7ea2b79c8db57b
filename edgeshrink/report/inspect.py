"""What `edgeshrink inspect` says."""

from __future__ import annotations

from dataclasses import asdict

from rich.console import Console
from rich.table import Table

from edgeshrink.inspection import Inspection
from edgeshrink.report.changes import print_changes
from edgeshrink.report.table import plain_table
from edgeshrink.report.text import count_text, counted, kernel_text, share_text

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
    for rule, count in found.dropped.items():
        console.print(f"left behind: {counted(count, 'tensors')}, {rule}")
    console.print()
    if found.layers:
        console.print(_contents_table(found))
        console.print()
    if found.forecast is None:
        console.print(
            f"next: edgeshrink inspect {options} --arch FILE.py:FACTORY --input SHAPE", soft_wrap=True
        )
        return
    print_changes(console, asdict(found.forecast))
    console.print(f"next: edgeshrink export {options}", soft_wrap=True)


def _contents_table(found: Inspection) -> Table:
    figures = ("shape", "parameters", "dendrites", "masked", "zeros", "dead units")
    table = plain_table("In the file", "layer", "kind", right=figures)
    for layer in found.layers:
        dead = f" ({layer.dead_dendrites} dead)" if layer.dead_dendrites else ""
        table.add_row(
            layer.name,
            layer.kind,
            kernel_text(layer.shape),
            count_text(layer.parameters),
            f"{layer.dendrites}{dead}" if layer.dendrites else "",
            share_text(layer.masked, layer.parameters) if layer.masked else "",
            share_text(layer.zeros, layer.parameters) if layer.zeros else "",
            count_text(layer.zero_units) if layer.zero_units else "",
        )
    total = sum(layer.parameters for layer in found.layers)
    table.add_section()
    table.add_row("total", "", "", count_text(total), "", "", "", "")
    return table
