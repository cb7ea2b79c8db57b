from __future__ import annotations

import pytest


def test_a_folder_that_is_not_the_demos_is_left_alone(run, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("keep")
    result = run("demo", "-o", tmp_path / "mine")
    assert result.status == 2
    assert "mine" in result.err
    assert (tmp_path / "mine" / "notes.txt").read_text() == "keep"


def test_a_place_that_cannot_be_written_is_named(run):
    result = run("demo", "-o", "/proc/demo")
    assert result.status == 2
    assert "/proc/demo" in result.err


@pytest.mark.slow
def test_as_json_it_is_one_document_and_runs_again_over_itself(run, tmp_path):
    for _ in range(2):
        result = run("demo", "-o", tmp_path / "demo", "--json")
        assert result.status == 0, result.err
        summary = result.json
        assert summary["accuracy"]["before"] == summary["accuracy"]["after"]
        assert summary["accuracy"]["samples"] == 1000
        assert summary["before"]["parameters"] > 5 * summary["after"]["parameters"]
        assert summary["parity"]["ok"]
