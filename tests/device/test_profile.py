import json

import edgeshrink_device
import numpy as np
import psutil
import pytest
from edgeshrink_device import interleave, profile_models
from edgeshrink_device.power import SOURCES, PowerSource

from .helpers import QUICK, QUICK_WORDS, write_bundle, write_double, write_null

DOCUMENTED = {
    "schema_version",
    "emulated",
    "device",
    "model",
    "latency_ms",
    "throughput_per_s",
    "memory_bytes",
    "energy_mj",
    "parity",
    "thermal",
    "histogram",
    "power_trace",
    "layers",
}


def main(*words):
    return edgeshrink_device.main([str(word) for word in words])


@pytest.fixture
def nulls(tmp_path):
    """Two models of the null device: 2 ms and 4 ms a run, slowed by 0 to 4% in turn."""
    return [write_null(tmp_path / "slow.null", 4.0), write_null(tmp_path / "fast.null", 2.0)]


@pytest.fixture(scope="module")
def profiles(tmp_path_factory):
    folder = tmp_path_factory.mktemp("nulls")
    nulls = [write_null(folder / "slow.null", 4.0), write_null(folder / "fast.null", 2.0)]
    return profile_models(nulls, device="null", seconds=0.4, runs=50, launches=5, power_source="none")


def test_every_documented_figure_is_there_or_null_with_a_reason(profiles):
    for document in profiles:
        assert set(document) >= DOCUMENTED
        for key in ("energy", "parity", "thermal", "power_trace", "layers"):
            value = document["energy_mj" if key == "energy" else key]
            assert (value is None) == bool(document[key + "_reason"])
        assert document["latency_ms"]["gpu"] is None
        assert document["latency_ms"]["gpu_reason"]
        assert document["memory_bytes"]["engine"] is None
        assert document["memory_bytes"]["engine_reason"]
        json.dumps(document, allow_nan=False)


def test_times_are_those_of_the_devices_clock(profiles):
    slow, fast = (document["latency_ms"]["end_to_end"] for document in profiles)
    assert (slow["min"], slow["max"]) == (4.0, 4.16)
    assert fast["median"] == pytest.approx(2.04)
    assert len(fast["times_ms"]) == fast["n"]
    assert profiles[1]["throughput_per_s"] == pytest.approx(1000 / fast["mean"])


def test_a_simulated_device_is_marked_emulated(profiles):
    assert all(document["emulated"] for document in profiles)


def test_both_the_seconds_and_the_runs_asked_for_are_reached(nulls):
    by_time = profile_models(nulls[:1], device="null", seconds=0.4, runs=1, launches=2, power_source="none")[
        0
    ]
    by_runs = profile_models(nulls[:1], device="null", seconds=0, runs=50, launches=2, power_source="none")[0]
    assert sum(by_time["latency_ms"]["end_to_end"]["times_ms"]) >= 400
    assert by_runs["latency_ms"]["end_to_end"]["n"] >= 50


def test_blocks_of_the_models_alternate_and_the_order_turns(profiles):
    slow, fast = (document["blocks"] for document in profiles)
    assert [(b["launch"], b["round"]) for b in slow] == [(launch, r) for launch in range(5) for r in range(4)]
    assert [b["position"] for b in slow[:4]] == [0, 1, 0, 1]
    assert [b["position"] for b in slow[4:8]] == [1, 0, 1, 0]
    assert [b["position"] for b in fast] == [1 - b["position"] for b in slow]
    starts = sorted((b["start_s"], i) for i, blocks in enumerate((slow, fast)) for b in blocks)
    assert [i for _, i in starts[:4]] == [0, 1, 1, 0]


def test_blocks_account_for_every_run(profiles):
    for document in profiles:
        assert sum(block["runs"] for block in document["blocks"]) == document["latency_ms"]["end_to_end"]["n"]
        assert len(document["warm_up"]) == 5


def test_models_of_one_call_are_one_session(profiles):
    assert profiles[0]["session"]["id"] == profiles[1]["session"]["id"]
    ratio = edgeshrink_device.stats.ratio_interval(*profiles)
    assert ratio["ratio"] == pytest.approx(2)
    assert ratio["method"] == "paired bootstrap of 5 groups"


def test_progress_names_model_and_phase_and_never_goes_back(nulls):
    told = []
    profile_models(nulls, device="null", progress=lambda *step: told.append(step), **QUICK)
    assert {phase for _, phase, _ in told} == {"load", "warm up", "measure"}
    assert {name for name, _, _ in told} == {"slow.null", "fast.null"}
    fractions = [fraction for _, _, fraction in told]
    assert fractions == sorted(fractions)
    assert fractions[0] >= 0
    assert fractions[-1] <= 1


def test_no_worker_is_left_behind(nulls):
    profile_models(nulls, device="null", **QUICK)
    assert psutil.Process().children() == []


def test_energy_comes_from_the_counter_at_the_blocks_edges(nulls, monkeypatch):
    class Ticking(PowerSource):
        name, rails, covers, emulated = "ticking", ("all",), "everything", True

        def unavailable(self):
            return ""

        def start(self):
            self._sum = 0.0

        def joules(self):
            self._sum += 0.5
            return self._sum

    SOURCES.entries()
    monkeypatch.setitem(SOURCES._entries, "ticking", Ticking)
    monkeypatch.setattr(interleave, "IDLE_S", 0.02)
    document = profile_models(nulls[:1], device="null", seconds=0.4, launches=5, power_source="ticking")[0]
    runs = sum(block["runs"] + block["lead_in_runs"] for block in document["blocks"])
    assert document["energy_mj"]["total"]["mean"] == pytest.approx(1000 * 0.5 * 20 / runs)
    assert document["energy_mj"]["rails"] == ["all"]
    assert document["energy_reason"] is None
    assert len(document["power_trace"]["w"]) == 20


def test_a_bundle_is_measured_beside_its_baseline_and_checked(tmp_path, capsys):
    bundle = write_bundle(tmp_path / "b.edge")
    assert main("profile", bundle, *QUICK_WORDS) == 0
    out = capsys.readouterr().out
    for name in ("baseline", "model"):
        document = json.loads((tmp_path / "b.edge" / f"profile-cpu-{name}.json").read_text())
        assert document["parity"]["ok"]
        assert document["parity"]["samples"] == 6
        assert document["model"]["fed_with"] == "samples"
        assert document["emulated"] is False
        assert document["device"]["software"]["onnxruntime"]
        assert document["device"]["threads"] == 1
    assert "b.edge/model.onnx is " in out
    assert "\nPASS\n" in out
    assert "there: edgeshrink compare" in out
    assert "EMULATED" not in out


def test_without_its_baseline_a_bundle_is_one_model(tmp_path, capsys):
    bundle = write_bundle(tmp_path / "b.edge")
    assert main("profile", bundle, "--no-baseline", "-o", tmp_path / "one.json", *QUICK_WORDS) == 0
    assert json.loads((tmp_path / "one.json").read_text())["model"]["name"] == "b.edge/model.onnx"
    assert "profile-cpu-ANOTHER.json" in capsys.readouterr().out


def test_wrong_outputs_are_told_first_and_set_the_exit_status(tmp_path, capsys):
    bundle = write_bundle(tmp_path / "b.edge", model="2.001")
    assert main("profile", bundle, *QUICK_WORDS) == 1
    out = capsys.readouterr().out
    assert out.startswith("FAIL b.edge/model.onnx: output 'y' differs by 0.023")
    assert "\nFAIL: outputs differ from the samples\n" in out
    assert json.loads((tmp_path / "b.edge" / "profile-cpu-model.json").read_text())["parity"]["ok"] is False


def test_json_is_one_document_and_nothing_else(tmp_path, capsys):
    bundle = write_bundle(tmp_path / "b.edge")
    assert main("profile", bundle, "--json", *QUICK_WORDS) == 0
    captured = capsys.readouterr()
    printed = json.loads(captured.out)
    assert captured.err == ""
    assert printed["ok"] is True
    assert [document["model"]["file"] for document in printed["profiles"]] == ["baseline.onnx", "model.onnx"]
    assert printed["ratios"][0]["ratio"] > 0
    assert printed["files"] == [f"{bundle}/profile-cpu-{name}.json" for name in ("baseline", "model")]


def test_the_null_devices_table_says_emulated(nulls, tmp_path, capsys):
    assert main("profile", *nulls, "--device", "null", "-o", tmp_path / "out", *QUICK_WORDS) == 0
    out = capsys.readouterr().out
    assert "slow.null EMULATED" in out
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "profile-null-fast.json",
        "profile-null-slow.json",
    ]


def test_few_launches_come_with_a_warning(nulls):
    document = profile_models(nulls[:1], device="null", **QUICK)[0]
    assert "fewer than 5 launches: the intervals hold for these processes only" in document["warnings"]


def test_a_dynamic_batch_is_run_as_one_and_samples_can_be_given(tmp_path):
    model = write_double(tmp_path / "m.onnx", batch="n")
    random = profile_models([model], **QUICK)[0]
    assert random["model"]["inputs"] == [{"name": "x", "shape": [None, 4], "dtype": "float32"}]
    assert random["parity"] is None
    np.savez(tmp_path / "s.npz", x=np.ones((3, 4), np.float32), **{"out/y": np.full((3, 4), 2, np.float32)})
    fed = profile_models([model], samples=str(tmp_path / "s.npz"), **QUICK)[0]
    assert fed["parity"]["ok"]
    assert fed["parity"]["samples"] == 3


def test_memory_is_that_of_the_models_own_process(tmp_path):
    document = profile_models([write_double(tmp_path / "m.onnx")], **QUICK)[0]
    memory = document["memory_bytes"]
    assert memory["process_peak"] >= memory["process_before_model"] > 1_000_000
    assert memory["process_peak"] != psutil.Process().memory_info().rss
    if memory["model_delta"] is not None:
        assert memory["model_delta"] == memory["process_peak"] - memory["process_before_model"]
    assert set(memory["device_total_used"]) == {"before", "after"}
