"""The table of layers in terminals of every width."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from edgeshrink.checkpoint import LayerFacts
from edgeshrink.report.layers import print_layers

NAMES = ("backbone.stages.0.blocks.12.conv1", "a_classifier_with_a_long_name", "fc", "")
NOTE = "3 zero filters may leave"


def shown(width: int, *, dendrites: int = 3) -> str:
    layers = [
        LayerFacts(
            name=name,
            kind="conv2d + batch norm",
            shape=(64, 32, 3, 3),
            parameters=1_234_567,
            dendrites=dendrites,
            dead_dendrites=dendrites // 3,
            masked=400_000,
            zeros=600_000,
            zero_units=17,
            groups=4,
            threshold=None,
            note=NOTE,
        )
        for name in NAMES
    ]
    stream = io.StringIO()
    print_layers(Console(file=stream, width=width, highlight=False, markup=False), layers)
    return stream.getvalue()


@pytest.mark.parametrize("width", [160, 120, 100, 80, 60, 40])
def test_nothing_is_cut_without_a_word(width: int) -> None:
    out = shown(width)
    lines = out.splitlines()
    assert max(map(len, lines)) <= width
    assert "…" not in out
    names = "".join(line.split(" ")[0] for line in lines if line[:1].strip())
    assert all(name in names for name in NAMES)
    assert "4,938,268" in out  # the total of the parameters
    words = " ".join(out.split())
    for heading in ("shape", "dendrites", "masked", "zeros", "units", "groups"):
        assert heading in words


def test_a_wide_terminal_has_a_column_for_what_baking_will_do() -> None:
    assert "what baking will do" in shown(160)
    assert f"fc: {NOTE}" not in shown(160)


def test_in_a_narrow_terminal_that_stands_below() -> None:
    assert f"fc: {NOTE}" in shown(60)


def test_columns_left_out_are_named_and_empty_ones_leave_first() -> None:
    assert "left out" not in shown(120)
    assert "shape" in shown(60).partition("left out, ")[2]
    assert "dendrites" not in shown(60, dendrites=0)


def test_totals_stand_below_every_column() -> None:
    [total] = [line for line in shown(160).splitlines() if line.startswith("total")]
    assert total.split() == ["total", "4,938,268", "12", "4", "32%", "49%", "68"]
