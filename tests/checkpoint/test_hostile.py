"""No file of the corpus runs code, hangs, or fills memory, and each gives one clear error."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

from tests.checkpoint.hostile import FILES, LOADABLE, MARKER

MOST_BYTES = 1_000_000_000
MOST_SECONDS = 10


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """Inspect every file as a user would, each in a process of its own."""
    paths = {}
    for name, build in (FILES | LOADABLE).items():
        folder = tmp_path_factory.mktemp(name)
        paths[name] = build(folder)
    command = [sys.executable, "-m", "tests.checkpoint.run_limited", *map(str, paths.values())]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    rows = json.loads(done.stdout)
    for row, path in zip(rows, paths.values(), strict=True):
        row["executed"] = (path.parent / MARKER).exists()
    return dict(zip(paths, rows, strict=True))


@pytest.mark.parametrize("name", FILES)
def test_a_hostile_file_is_refused_in_one_clear_error(outcomes: dict[str, dict[str, Any]], name: str) -> None:
    outcome = outcomes[name]
    assert not outcome["executed"]
    assert outcome["status"] == 2, outcome
    assert outcome["told"].count("error: ") == 1, outcome
    assert "fault of edgeshrink" not in outcome["told"]
    assert "Traceback" not in outcome["told"]
    assert len(outcome["told"]) < 2500, "one clear error is no dump"


@pytest.mark.parametrize("name", LOADABLE)
def test_what_need_not_be_computed_is_no_fault(outcomes: dict[str, dict[str, Any]], name: str) -> None:
    assert outcomes[name]["status"] == 0, outcomes[name]
    assert "Traceback" not in outcomes[name]["told"]


@pytest.mark.parametrize("name", FILES | LOADABLE)
def test_a_hostile_file_takes_little_memory_and_time(outcomes: dict[str, dict[str, Any]], name: str) -> None:
    assert outcomes[name]["bytes"] < MOST_BYTES
    assert outcomes[name]["seconds"] < MOST_SECONDS
