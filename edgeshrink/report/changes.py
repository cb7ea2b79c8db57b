"""The tables of what baking did: passes, layers, figures before and after."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich.table import Table

from edgeshrink.report.text import bytes_text, count_text, counted, kernel_text, ratio_text

__all__ = ["cost_rows", "cost_table", "layer_table", "pass_table"]

_FIGURES = {"parameters": count_text, "macs": count_text, "bytes": bytes_text, "nodes": count_text}
_TITLES = {
    "parameters": "parameters",
    "macs": "multiply-accumulates",
    "bytes": "model file",
    "nodes": "nodes",
}


def pass_table(passes: Iterable[Mapping[str, Any]]) -> Table:
    """One row a pass that changed something."""
    table = Table("pass", "what it did", title="Passes", title_justify="left", box=None, pad_edge=False)
    for record in passes:
        if record["changed"]:
            did = ", ".join(counted(count, what) for what, count in record["detail"].items() if count)
            table.add_row(record["name"], did or "versions only")
    return table


def layer_table(layers: Sequence[Mapping[str, Any]]) -> Table:
    """Units and kernel of every layer before and after, and why units stay."""
    table = Table(title="Layers", title_justify="left", box=None, pad_edge=False)
    table.add_column("layer")
    table.add_column("op")
    table.add_column("units", justify="right")
    table.add_column("kernel", justify="right")
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


def cost_table(before: Mapping[str, Any], after: Mapping[str, Any]) -> Table:
    """The figures before and after baking."""
    table = Table(title="Before and after", title_justify="left", box=None, pad_edge=False)
    table.add_column("")
    for title in ("before", "after", "smaller by"):
        table.add_column(title, justify="right")
    for row in cost_rows(before, after):
        table.add_row(*row)
    return table
