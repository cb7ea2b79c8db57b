"""The one look that all tables have."""

from __future__ import annotations

from rich.table import Table

__all__ = ["plain_table"]


def plain_table(title: str, *left: str, right: tuple[str, ...] = ()) -> Table:
    """A table without lines: its title, the headings of its text columns, then those of its figures."""
    table = Table(*left, title=title, title_justify="left", box=None, pad_edge=False)
    for heading in right:
        table.add_column(heading, justify="right")
    return table
