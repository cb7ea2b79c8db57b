"""What is easily read past in a table is said in a line of its own."""

from __future__ import annotations

import pytest
from rich.console import Console

from edgeshrink.report.compare import print_comparison


def printed(ratio: float, low: float, high: float) -> str:
    latency = {"figure": "median latency", "unit": "ms", "before": ratio, "after": 1.0}
    models = {"before": {"name": "a"}, "after": {"name": "b"}}
    comparison = {"emulated": False, "models": models, "method": "bootstrap", "other_machine": False}
    console = Console(width=100)
    with console.capture() as captured:
        print_comparison(console, {**comparison, "rows": [{**latency, "ratio": ratio, "ci95": [low, high]}]})
    return captured.get()


@pytest.mark.parametrize(("ratio", "low", "high"), [(1.01, 0.98, 1.03), (0.99, 0.97, 1.01), (1, 1, 1)])
def test_an_interval_that_holds_1_is_no_difference(ratio: float, low: float, high: float) -> None:
    text = printed(ratio, low, high)
    assert "NO DIFFERENCE" in text
    assert "SLOWER" not in text


def test_slower_is_said_in_times() -> None:
    assert "SLOWER: the second takes 1.25 times as long as the first" in printed(0.8, 0.78, 0.82)


def test_faster_needs_no_word() -> None:
    text = printed(1.5, 1.4, 1.6)
    assert "1.50× [1.40, 1.60]" in text
    assert "SLOWER" not in text
    assert "NO DIFFERENCE" not in text
