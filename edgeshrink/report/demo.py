"""The table that the demo ends with."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from rich.console import Console

from edgeshrink.comparison import compare
from edgeshrink.report.changes import cost_rows
from edgeshrink.report.compare import figure_cells, print_reasons
from edgeshrink.report.table import plain_table
from edgeshrink.stored_profile import read_profile

__all__ = ["demo_summary", "print_demo"]


def demo_summary(bundle: Path) -> dict[str, Any]:
    """Read what the demo's commands wrote: manifest and both profiles."""
    manifest = json.loads((bundle / "manifest.json").read_text(encoding="utf-8"))
    profiles = [read_profile(bundle / f"profile-cpu-{name}.json") for name in ("baseline", "model")]
    return {
        "accuracy": manifest["accuracy"],
        "before": manifest["before"],
        "after": manifest["after"],
        "parity": manifest["parity"],
        "comparison": compare(*profiles),
    }


def print_demo(console: Console, summary: dict[str, Any], folder: Path) -> None:
    """Print accuracy, figures and measurements before and after, and the next command."""
    accuracy = summary["accuracy"]
    headings = ("before", "after", "better by")
    table = plain_table("\nThe digits network, before and after", "", right=headings)
    table.add_row(
        f"accuracy on {accuracy['samples']:,} digits",
        f"{accuracy['before']:.1%}",
        f"{accuracy['after']:.1%}",
        "",
    )
    for row in cost_rows(summary["before"], summary["after"]):
        table.add_row(*row)
    wanted = ("median latency", "peak memory of the process", "energy per inference")
    rows = [row for row in summary["comparison"]["rows"] if row["figure"] in wanted]
    for measured in rows:
        table.add_row(*figure_cells(measured))
    console.print(table)
    print_reasons(console, rows)
    console.print(f"\nbundle: {folder / 'digits.edge'}")
    console.print("next:   edgeshrink inspect YOUR_CHECKPOINT.pt")
