"""What `edgeshrink compare` says."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from rich.console import Console

from edgeshrink.byte_sizes import bytes_text
from edgeshrink.report.table import plain_table

__all__ = ["figure_cells", "print_comparison", "print_reasons", "ratio_with_interval"]


def print_comparison(console: Console, comparison: Mapping[str, Any]) -> None:
    """Print the figures of two profiles and their ratios; what was not measured says why."""
    word = " EMULATED" if comparison["emulated"] else ""
    for side in ("before", "after"):
        console.print(f"{side + ':':<8}{_model_text(comparison['models'][side])}", soft_wrap=True)
    table = plain_table(f"\nBefore and after{word}", "", right=("before", "after", "before / after"))
    for row in comparison["rows"]:
        table.add_row(*figure_cells(row))
    console.print(table)
    print_reasons(console, comparison["rows"])
    if not comparison["other_machine"]:
        console.print(_verdict(comparison["rows"][0]), end="")
    energy = any(row["unit"] == "mJ" and row["ci95"] for row in comparison["rows"])
    more = "; of energies, of the intervals of both" if energy else ""
    console.print(f"\nintervals: 95%, {comparison['method']}{more}", soft_wrap=True)


def _model_text(model: Mapping[str, Any]) -> str:
    """A model's name, what its engine computes in, and the batch where that is not 1."""
    facts = [model["computed_in"]] if model.get("computed_in") else []
    facts += [f"batch {model['batch']}"] if model.get("batch", 1) not in (1, None) else []
    return f"{model['name']} ({', '.join(facts)})" if facts else str(model["name"])


def _verdict(latency: Mapping[str, Any]) -> str:
    """What is easily read past in a table: slower, or not told apart."""
    low, high = latency["ci95"] or (latency["ratio"], latency["ratio"])
    if low <= 1 <= high:
        return "\nNO DIFFERENCE in latency that could be told: the interval holds 1\n"
    slower = f"\nSLOWER: the second takes {1 / latency['ratio']:.2f} times as long as the first\n"
    return slower if latency["ratio"] < 1 else ""


def print_reasons(console: Console, rows: Iterable[Mapping[str, Any]]) -> None:
    """Say of each figure that was not measured why."""
    for row in rows:
        if row.get("reason"):
            console.print(f"{row['figure']}: not measured, because {row['reason']}")


def figure_cells(row: Mapping[str, Any]) -> tuple[str, str, str, str]:
    """Title, before, after and ratio of one figure."""
    return row["figure"], _figure_text(row, "before"), _figure_text(row, "after"), ratio_with_interval(row)


def _figure_text(row: Mapping[str, Any], key: str) -> str:
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
