"""The table of a checkpoint's layers: figures, totals, and what baking will do, in any width."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table

from edgeshrink.checkpoint import LayerFacts
from edgeshrink.report.table import plain_table
from edgeshrink.report.text import count_text, kernel_text, share_text

__all__ = ["print_layers"]

_GAP = 2
_NAME, _NOTE = 16, 36  # columns of text may be folded to these widths
_NOTE_HEADING = "what baking will do"


@dataclass(frozen=True)
class _Column:
    """Figures: their heading, a layer's, and that of all layers together."""

    heading: str
    text: Callable[[LayerFacts], str]
    total: Callable[[Sequence[LayerFacts]], str]

    def cells(self, layers: Sequence[LayerFacts]) -> list[str]:
        """What stands below the heading, the total last."""
        return [*map(self.text, layers), self.total(layers)]

    def width(self, layers: Sequence[LayerFacts]) -> int:
        """How wide it is with the gap beside it; its heading may break between words."""
        return max(map(len, [*self.heading.split(), *self.cells(layers)])) + _GAP


def _count(heading: str, attribute: str) -> _Column:
    def total(layers: Sequence[LayerFacts]) -> str:
        return count_text(sum(getattr(layer, attribute) for layer in layers))

    return _Column(heading, lambda layer: total([layer]) if getattr(layer, attribute) else "", total)


def _share(heading: str, attribute: str) -> _Column:
    def total(layers: Sequence[LayerFacts]) -> str:
        part = sum(getattr(layer, attribute) for layer in layers)
        return share_text(part, sum(layer.parameters for layer in layers))

    return _Column(heading, lambda layer: total([layer]) if getattr(layer, attribute) else "", total)


_COLUMNS = (
    _Column("shape", lambda layer: kernel_text(layer.shape), lambda layers: ""),
    _count("parameters", "parameters"),
    _count("dendrites", "dendrites"),
    _count("dead dendrites", "dead_dendrites"),
    _share("masked", "masked"),
    _share("zeros", "zeros"),
    _count("dead units", "zero_units"),
    _Column("hidden groups", lambda layer: str(layer.groups) if layer.groups > 1 else "", lambda layers: ""),
)
_FIRST_TO_GO = ("shape", "hidden groups", "dead dendrites", "masked", "zeros", "dendrites", "dead units")


def print_layers(console: Console, layers: Sequence[LayerFacts]) -> None:
    """Print a row a layer and the totals.

    Where the terminal is too narrow, notes go below the table, then columns go in which no layer has a
    figure, then others, which is said. Names are folded and never cut.
    """
    columns = list(_COLUMNS)
    beside = _width(layers, columns, notes=True) <= console.width
    used = [column for column in columns if any(map(column.text, layers))]
    if not beside and _width(layers, columns) > console.width:
        columns = list(used)
    for heading in _FIRST_TO_GO:
        if not beside and _width(layers, columns) > console.width:
            columns = [column for column in columns if column.heading != heading]
    console.print(_table(layers, columns, notes=beside))
    left_out = [column.heading for column in used if column not in columns]
    if left_out:
        console.print(f"left out, the terminal is too narrow (--json has all): {', '.join(left_out)}")
    if not beside:
        for layer in layers:
            if layer.note:
                console.print(f"{_name(layer)}: {layer.note}")
    console.print()


def _width(layers: Sequence[LayerFacts], columns: Sequence[_Column], *, notes: bool = False) -> int:
    """How many characters a table takes whose text is folded."""
    names = min(max(len("total"), *(len(_name(layer)) for layer in layers)), _NAME)
    kinds = max(len("kind"), *(len(word) for layer in layers for word in layer.kind.split()))
    figures = sum(column.width(layers) for column in columns)
    return names + _GAP + kinds + figures + (_GAP + _NOTE if notes else 0)


def _table(layers: Sequence[LayerFacts], columns: Sequence[_Column], *, notes: bool) -> Table:
    headings = [column.heading.replace(" ", "\n") for column in columns]
    table = plain_table("In the file", "layer", "kind", right=tuple(headings))
    for column in table.columns:
        column.no_wrap, column.overflow = column.justify == "right", "fold"
    if notes:
        table.add_column(_NOTE_HEADING, overflow="fold")
    for layer in layers:
        note = [layer.note] if notes else []
        table.add_row(_name(layer), layer.kind, *(column.text(layer) for column in columns), *note)
    table.add_section()
    table.add_row("total", "", *(column.total(layers) for column in columns))
    return table


def _name(layer: LayerFacts) -> str:
    return layer.name or "(the network)"
