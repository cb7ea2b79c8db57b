"""The table that the demo ends with."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from edgeshrink.comparison import compare, read_profile
from edgeshrink.report.changes import cost_rows
from edgeshrink.report.compare import figure_text, ratio_with_interval

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
    table = Table(
        title="\nThe digits network, before and after", title_justify="left", pad_edge=False, box=None
    )
    table.add_column("")
    for title in ("before", "after", "better by"):
        table.add_column(title, justify="right")
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
        table.add_row(
            measured["figure"],
            *(figure_text(measured, key) for key in ("before", "after")),
            ratio_with_interval(measured),
        )
    console.print(table)
    for measured in rows:
        if measured.get("reason"):
            console.print(f"{measured['figure']}: not measured, because {measured['reason']}")
    console.print(f"\nbundle: {folder / 'digits.edge'}")
    console.print("next:   edgeshrink inspect YOUR_CHECKPOINT.pt")
