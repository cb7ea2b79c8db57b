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


def changed(path, folder, **changes):
    """A copy of a profile with other entries: of "model.batch" by `model__batch`."""
    document = json.loads(path.read_text())
    for name, value in changes.items():
        *way, last = name.split("__")
        place = document
        for word in way:
            place = place[word]
        place[last] = value
    copy = folder / f"changed-{path.name}"
    copy.write_text(json.dumps(document))
    return copy


def energy(mean, low, high, above=None):
    above_idle = {"mean": above, "ci95": [above * 0.9, above * 1.1]} if above else None
    return {"total": {"mean": mean, "ci95": [low, high]}, "above_idle": above_idle}


def test_a_bundle_is_compared_by_its_two_profiles(run, profiles, bundle):
    for path in profiles:
        (bundle / path.name).write_text(path.read_text())
    whole, named = run("compare", bundle, "--json"), run("compare", *profiles, "--json")
    assert whole.json == named.json


def test_a_bundle_without_profiles_or_with_those_of_two_devices_says_what_to_do(run, profiles, bundle):
    result = run("compare", bundle)
    assert (result.status, result.err.count("edgeshrink profile")) == (2, 1)
    for path in profiles:
        (bundle / path.name).write_text(path.read_text())
        (bundle / path.name.replace("cpu", "jetson")).write_text(path.read_text())
    result = run("compare", bundle)
    assert result.status == 2
    assert "several devices: cpu, jetson" in result.err


def test_one_profile_is_not_enough_and_a_bundle_is_no_profile(run, profiles, bundle):
    assert "takes two profiles" in run("compare", profiles[0]).err
    assert "is a folder" in run("compare", bundle, profiles[0]).err
    assert "is a bundle's manifest" in run("compare", bundle / "manifest.json", profiles[0]).err


def test_a_ratio_of_energies_has_an_interval_of_both(run, profiles, tmp_path):
    a = changed(profiles[0], tmp_path, energy_mj=energy(30, 29, 31, above=20), energy_reason=None)
    b = changed(profiles[1], tmp_path, energy_mj=energy(20, 19, 21, above=10), energy_reason=None)
    rows = {row["figure"]: row for row in run("compare", a, b, "--json").json["rows"]}
    total, above = rows["energy per inference"], rows["of that, above idle"]
    assert (total["ratio"], above["ratio"]) == (1.5, 2)
    # By hand: 1.5 exp(-sqrt(ln(30/29)^2 + ln(21/20)^2)) and 1.5 exp(sqrt(ln(31/30)^2 + ln(20/19)^2))
    assert total["ci95"] == pytest.approx([1.4135, 1.5942], abs=1e-4)
    assert "above idle" in run("compare", a, b).out


def test_an_energy_that_one_side_lacks_is_shown_for_the_other_with_the_reason(run, profiles, tmp_path):
    a = changed(profiles[0], tmp_path, energy_mj=energy(30, 29, 31), energy_reason=None)
    b = changed(profiles[1], tmp_path, energy_mj=None, energy_reason="the meter fell silent")
    row = next(row for row in run("compare", a, b, "--json").json["rows"] if "energy" in row["figure"])
    assert (row["before"], row["after"], row["ratio"]) == (30, None, None)
    assert row["reason"].endswith("model.onnx: the meter fell silent")


def test_other_precisions_are_named(run, profiles, tmp_path):
    a = changed(profiles[0], tmp_path, model__computed_in="fp32")
    b = changed(profiles[1], tmp_path, model__computed_in="fp16")
    result = run("compare", a, b)
    assert "computed in fp32 before and in fp16 after" in result.err
    assert "baseline.onnx (fp32)" in result.out


def test_two_machines_are_named_and_no_verdict_is_given(run, profiles, tmp_path):
    result = run("compare", profiles[1], changed(profiles[0], tmp_path, device__name="Jetson Nano"))
    assert "two machines: " in result.err
    assert "Jetson Nano after" in result.err
    assert "SLOWER" not in result.out
    assert "NO DIFFERENCE" not in result.out


def test_the_wrong_way_round_and_runs_of_two_sessions_are_remarked_on(run, profiles, tmp_path):
    assert "the wrong way round" in run("compare", profiles[1], profiles[0]).err
    other = changed(profiles[1], tmp_path, session__id="another")
    assert "not in turns" in run("compare", profiles[0], other).err
    assert "not in turns" not in run("compare", *profiles).err


def test_a_warning_of_both_is_said_once(run, profiles, tmp_path):
    pair = [changed(path, tmp_path, warnings=["it was warm"]) for path in profiles]
    assert run("compare", *pair).err.count("it was warm") == 1


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
