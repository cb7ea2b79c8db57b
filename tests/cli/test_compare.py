from __future__ import annotations

import json

import pytest


@pytest.fixture(scope="module")
def profiles(prepared, tmp_path_factory):
    from edgeshrink.cli import main

    out = tmp_path_factory.mktemp("profiles")
    assert main(["profile", str(prepared / "model.edge"), "--seconds", "0.2", "-o", str(out)]) == 0
    return sorted(out.glob("*.json"))


def test_profile_writes_one_document_a_model(profiles):
    assert [path.name for path in profiles] == ["profile-cpu-baseline.json", "profile-cpu-model.json"]


def test_ratios_carry_their_interval(run, profiles):
    rows = {row["figure"]: row for row in run("compare", *profiles, "--json").json["rows"]}
    latency = rows["median latency"]
    assert latency["ratio"] == pytest.approx(latency["before"] / latency["after"])
    assert latency["ci95"][0] <= latency["ratio"] <= latency["ci95"][1]


def test_what_was_not_measured_is_null_with_a_reason(run, profiles, tmp_path):
    blind = json.loads(profiles[0].read_text())
    blind.update(energy_mj=None, energy_reason="no meter")
    (tmp_path / "blind.json").write_text(json.dumps(blind))
    rows = {
        row["figure"]: row
        for row in run("compare", tmp_path / "blind.json", profiles[1], "--json").json["rows"]
    }
    assert rows["energy per inference"]["before"] is None
    assert rows["energy per inference"]["ratio"] is None
    assert "no meter" in rows["energy per inference"]["reason"]


def test_the_word_emulated_stands_wherever_one_side_was(run, profiles, tmp_path):
    simulated = json.loads(profiles[0].read_text())
    simulated["emulated"] = True
    (tmp_path / "simulated.json").write_text(json.dumps(simulated))
    assert "EMULATED" in run("compare", profiles[0], tmp_path / "simulated.json").out
    assert "EMULATED" not in run("compare", *profiles).out


def test_other_conditions_are_pointed_out(run, profiles, tmp_path):
    other = json.loads(profiles[0].read_text())
    other["device"]["threads"] = 7
    (tmp_path / "other.json").write_text(json.dumps(other))
    assert "threads differ" in run("compare", profiles[1], tmp_path / "other.json").err


NO_FIGURES = {
    "schema_version": 1,
    "emulated": False,
    "device": {"name": "a"},
    "model": {"name": "m"},
    "memory_bytes": {"process_peak": 1},
    "latency_ms": {"end_to_end": {"times_ms": [1.0]}},
}


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", '{"schema_version": 1}', '{"schema_version": 2}', "\x00\x01", json.dumps(NO_FIGURES)],
)
def test_a_file_that_is_no_profile_is_refused(run, profiles, tmp_path, text):
    (tmp_path / "bad.json").write_text(text)
    result = run("compare", profiles[0], tmp_path / "bad.json")
    assert result.status == 2
    assert "bad.json" in result.err
    assert "Traceback" not in result.err
