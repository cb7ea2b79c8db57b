"""What `edgeshrink compare` says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.table import Table

from edgeshrink.report.text import bytes_text

__all__ = ["figure_text", "print_comparison", "ratio_with_interval"]


def print_comparison(console: Console, comparison: Mapping[str, Any]) -> None:
    """Print the figures of two profiles and their ratios; what was not measured says why."""
    models = comparison["models"]
    word = " (emulated)" if comparison["emulated"] else ""
    table = Table(box=None, pad_edge=False, title=f"Before and after{word}", title_justify="left")
    table.add_column("")
    table.add_column(models["before"]["name"], justify="right")
    table.add_column(models["after"]["name"], justify="right")
    table.add_column("better by", justify="right")
    for row in comparison["rows"]:
        table.add_row(
            row["figure"], *(figure_text(row, key) for key in ("before", "after")), ratio_with_interval(row)
        )
    console.print(table)
    for row in comparison["rows"]:
        if row.get("reason"):
            console.print(f"{row['figure']}: not measured, because {row['reason']}")
    console.print(f"\nintervals: 95%, {comparison['method']}")


def figure_text(row: Mapping[str, Any], key: str) -> str:
    """One figure with its unit, a dash where it was not measured."""
    number = row[key]
    if number is None:
        return "–"
    return bytes_text(number) if row["unit"] == "bytes" else f"{number:.4g} {row['unit']}"


def ratio_with_interval(row: Mapping[str, Any]) -> str:
    """1.73× [1.70, 1.76], or as much of it as is known."""
    if row["ratio"] is None:
        return "–"
    interval = f" [{row['ci95'][0]:.2f}, {row['ci95'][1]:.2f}]" if row["ci95"] else ""
    return f"{row['ratio']:.2f}×{interval}"
