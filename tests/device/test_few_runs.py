"""Percentiles of so few runs that none lies beyond them."""

import pytest
from edgeshrink_device import profile_models

from .helpers import QUICK, write_null


@pytest.mark.parametrize(
    ("runs", "told"),
    [
        (8, ["p90 and p95 and p99 of 8 runs are in effect their maximum"]),
        (16, ["p95 and p99 of 16 runs are in effect their maximum"]),
        (48, ["p99 of 48 runs is in effect their maximum"]),
        (100, []),
    ],
)
def test_percentiles_that_are_the_maximum_are_told_as_such(runs, told, tmp_path):
    (profile,) = profile_models(
        [write_null(tmp_path / "a.null")], device="null", **dict(QUICK, seconds=0, runs=runs)
    )
    latency = profile["latency_ms"]["end_to_end"]
    assert latency["n"] == runs
    assert latency["p99"] <= latency["max"]
    assert [warning for warning in profile["warnings"] if "maximum" in warning] == told
