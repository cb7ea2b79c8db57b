"""A profile that somebody wrote by hand, or edited, is refused in one line, or compared; nothing between."""

from __future__ import annotations

import contextlib
import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from edgeshrink.comparison import compare
from edgeshrink.errors import InputError
from edgeshrink.profile_form import fault_of
from edgeshrink.stored_profile import read_profile

MOMENTS = {"times_ms": [1.0, 2.0, 4.0, 2.0, 2.0], "median": 2.0, "p90": 3.2, "p99": 3.9}
ENERGY = {"mean": 3.0, "ci95": [2.5, 3.5]}
PROFILE: dict[str, Any] = {
    "schema_version": 1,
    "emulated": True,
    "device": {"name": "Jetson Nano", "threads": 1, "clocks_locked": True},
    "model": {
        "name": "net.edge/model.onnx",
        "bytes": 1000,
        "batch": 1,
        "computed_in": "fp16",
        "inputs": [{"name": "x", "shape": [1, 3], "dtype": "float32"}],
        "outputs": [{"name": "y", "shape": [1, 2], "dtype": "float32"}],
    },
    "latency_ms": {"end_to_end": MOMENTS, "gpu": MOMENTS},
    "memory_bytes": {"process_peak": 1e6, "model_delta": -5, "engine": 2000},
    "energy_mj": {"total": ENERGY, "above_idle": ENERGY, "covers": "the board"},
    "energy_reason": None,
    "parity": {"ok": True},
    "thermal": {"throttled": False},
    "blocks": [{"launch": 0, "runs": 5}],
    "session": {"id": "a"},
    "warnings": ["it was warm"],
}
ODD: list[Any] = [None, "x", -1, 0, [], {}, True, [1], {"a": 1}, 1e400, 10**400, [None], [[]]]


def places(document: Any, way: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every entry of a document, by the keys and indices that lead to it."""
    if way:
        yield way
    if isinstance(document, dict):
        for key, inner in document.items():
            yield from places(inner, (*way, key))
    elif isinstance(document, list):
        for index, inner in enumerate(document[:1]):
            yield from places(inner, (*way, index))


def with_other(way: tuple[Any, ...], value: Any) -> dict[str, Any]:
    document = copy.deepcopy(PROFILE)
    place: Any = document
    for step in way[:-1]:
        place = place[step]
    place[way[-1]] = value
    return document


def written(document: Any, folder: Path) -> Path:
    path = folder / "profile.json"
    path.write_text(json.dumps(document))
    return path


def test_a_whole_profile_has_no_fault() -> None:
    assert fault_of(PROFILE) == ""


@pytest.mark.parametrize("way", list(places(PROFILE)), ids=lambda way: ".".join(map(str, way)))
def test_an_entry_of_any_other_kind_is_refused_or_compared(way: tuple[Any, ...], tmp_path: Path) -> None:
    for value in ODD:
        path = written(with_other(way, value), tmp_path)
        with contextlib.suppress(InputError):
            other = read_profile(path)
            for pair in ((PROFILE, other), (other, PROFILE)):
                json.dumps(compare(*pair), allow_nan=False)


@pytest.mark.parametrize(
    ("way", "value", "told"),
    [
        (("device", "name"), 7, "its device.name is not a text"),
        (("model", "inputs"), [{"name": "x"}], "it has no model.inputs[0].dtype"),
        (("latency_ms", "end_to_end", "times_ms"), [1.0, -2.0], r"times_ms[1] is not a number above 0"),
        (
            ("latency_ms", "end_to_end", "median"),
            1.0,
            "its latency_ms.end_to_end.median is not that of its times",
        ),
        (
            ("energy_mj", "total", "ci95"),
            [5.0, 6.0],
            "its energy_mj.total.ci95 is no interval around the mean",
        ),
    ],
)
def test_what_is_wrong_is_named(way: tuple[Any, ...], value: Any, told: str) -> None:
    assert told in fault_of(with_other(way, value))


@pytest.mark.parametrize("text", ['{"schema_version": 1, "x": NaN}', "[" * 100_000])
def test_what_json_does_not_allow_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "profile.json").write_text(text)
    with pytest.raises(InputError, match="no JSON file"):
        read_profile(tmp_path / "profile.json")


def test_energies_of_meters_that_cover_different_things_have_no_ratio() -> None:
    rows = compare(PROFILE, with_other(("energy_mj", "covers"), "the GPU alone"))["rows"]
    row = next(row for row in rows if row["figure"] == "energy per inference")
    assert (row["before"], row["after"], row["ratio"]) == (3.0, 3.0, None)
    assert row["reason"] == "the meters cover the board before, and the GPU alone after"


@pytest.mark.parametrize(
    ("way", "named"),
    [(("device", "clocks_locked"), "clocks_locked"), (("thermal", "throttled"), "throttled")],
)
def test_other_conditions_are_named(way: tuple[Any, ...], named: str) -> None:
    told = compare(PROFILE, with_other(way, None))["warnings"]
    assert any(f"{named} differ" in warning for warning in told)
