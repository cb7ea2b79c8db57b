"""The tables of what baking did: passes, layers, figures before and after."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from edgeshrink.byte_sizes import bytes_text
from edgeshrink.report.table import plain_table
from edgeshrink.report.text import count_text, counted, kernel_text, ratio_text

__all__ = ["cost_rows", "print_changes"]

_FIGURES = {"parameters": count_text, "macs": count_text, "bytes": bytes_text, "nodes": count_text}
_TITLES = {
    "parameters": "parameters",
    "macs": "multiply-accumulates",
    "bytes": "model file",
    "nodes": "nodes",
}


def print_changes(console: Console, changes: Mapping[str, Any]) -> None:
    """Print the tables of a manifest or a forecast, by its `passes`, `layers`, `before` and `after`."""
    for table in (
        _pass_table(changes["passes"]),
        _layer_table(changes["layers"]),
        _cost_table(changes["before"], changes["after"]),
    ):
        console.print(table)
        console.print()


def _pass_table(passes: Iterable[Mapping[str, Any]]) -> Table:
    """One row a pass that changed something."""
    table = plain_table("Passes", "pass", "what it did")
    for record in passes:
        if record["changed"]:
            did = ", ".join(counted(count, what) for what, count in record["detail"].items() if count)
            table.add_row(record["name"], did or "versions only")
    return table


def _layer_table(layers: Sequence[Mapping[str, Any]]) -> Table:
    """Units and kernel of every layer before and after, and why units stay."""
    table = plain_table("Layers", "layer", "op", right=("units", "kernel"))
    table.add_column("why not fewer", overflow="fold")
    for layer in layers:
        table.add_row(
            layer["name"],
            layer["op"],
            _change(count_text(layer["before"]), count_text(layer["after"])),
            _change(kernel_text(layer["kernel_before"]), kernel_text(layer["kernel_after"])),
            layer["reason"],
        )
    return table


def _change(before: str, after: str) -> str:
    return before if before == after or not after else f"{before} → {after}"


def cost_rows(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[tuple[str, str, str, str]]:
    """Title, before, after, ratio of each figure."""
    return [
        (_TITLES[key], text(before[key]), text(after[key]), ratio_text(before[key], after[key]))
        for key, text in _FIGURES.items()
    ]


def _cost_table(before: Mapping[str, Any], after: Mapping[str, Any]) -> Table:
    """The figures before and after baking."""
    table = plain_table("Before and after", "", right=("before", "after", "smaller by"))
    for row in cost_rows(before, after):
        table.add_row(*row)
    return table
