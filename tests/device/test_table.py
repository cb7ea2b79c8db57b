"""What `profile` prints: every figure with its model, its interval and what it holds for."""

import copy

import pytest
from edgeshrink_device import profile_models
from edgeshrink_device.layers_table import SHOWN, slowest_layers
from edgeshrink_device.notes import notes
from edgeshrink_device.ratios import pairs, ratio_lines, ratios
from edgeshrink_device.table import describe

from .helpers import write_null

BOARD = "NVIDIA Jetson Nano Developer Kit"
PARITY = {"ok": True, "samples": 6, "max_abs_error": 3e-5, "max_abs_allowed": 0.019, "reason": None}
ENERGY = {
    "total": {"mean": 32.45, "ci95": [32.19, 32.74]},
    "above_idle": {"mean": 24.89, "ci95": [24.69, 25.11]},
    "above_idle_reason": None,
    "mean_power_w": 5.997,
    "source": "ina3221",
    "rails": ["POM_5V_IN"],
    "covers": "the 5 V input of the board",
}


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    """Profiles of 4 ms and 2 ms a run."""
    folder = tmp_path_factory.mktemp("nulls")
    models = [write_null(folder / "slow.null", 4.0), write_null(folder / "fast.null", 2.0)]
    return profile_models(models, device="null", seconds=0.4, runs=50, launches=5, power_source="none")


@pytest.fixture
def slow(measured):
    return real(measured[0], "slow.onnx")


@pytest.fixture
def fast(measured):
    return real(measured[1], "fast.onnx")


def real(document, name):
    """A copy of a profile, as if nothing of it had been simulated."""
    document = copy.deepcopy(document)
    document.update(emulated=False, warnings=[])
    document["model"]["name"] = name
    document["device"].update(name="a processor", board=None)
    return document


def on_gpu(document, **more):
    document["device"].update(name=BOARD, board={"name": "Jetson Nano"}, kind="gpu")
    document.update(more)
    return document


def layers(*means_ms):
    total = sum(means_ms)
    return [
        {"name": f"Conv_{i}", "mean_ms": mean, "share": mean / total, "module": f"features.{i}"}
        for i, mean in enumerate(means_ms)
    ]


# Ratios


def test_a_model_that_is_faster_is_told_with_the_interval_of_the_ratio(slow, fast):
    assert ratio_lines([slow, fast]) == [
        "fast.onnx is 2.000x as fast as slow.onnx (95%: 2.000 to 2.000)",
        "(95% intervals: paired bootstrap of 5 groups)",
    ]


def test_a_model_that_is_slower_says_so_and_by_how_much(slow, fast):
    assert ratio_lines([fast, slow])[0] == "slow.onnx is 2.000x SLOWER than fast.onnx (95%: 2.000 to 2.000)"


def test_a_ratio_whose_interval_holds_1_is_no_difference(slow):
    times = slow["latency_ms"]["end_to_end"]["times_ms"]
    other = real(slow, "other.onnx")
    launches = [0.97, 1.03, 1.0, 0.98, 1.02]  # slower in some, faster in others
    other["latency_ms"]["end_to_end"]["times_ms"] = [
        time * launches[i * len(launches) // len(times)] for i, time in enumerate(times)
    ]
    figures = ratios([slow, other])[0]
    assert figures["ci95"][0] <= 1 <= figures["ci95"][1]
    line = ratio_lines([slow, other])[0]
    assert "x as fast as slow.onnx, no difference that could be told (95%: " in line
    assert "SLOWER" not in line


def test_what_is_emulated_is_called_so_where_it_is_named(slow, fast):
    fast["emulated"] = True
    assert ratio_lines([slow, fast])[0].startswith("fast.onnx EMULATED is 2.000x as fast as slow.onnx (")


def test_a_bundles_model_is_compared_with_its_own_baseline(slow):
    names = ["a.edge/baseline.onnx", "a.edge/model.onnx", "b.edge/baseline.onnx", "b.edge/model.onnx"]
    documents = [real(slow, name) for name in names]
    assert pairs(documents) == [(0, 1), (2, 3)]
    told = [[ratio["before"], ratio["after"]] for ratio in ratios(documents)]
    assert told == [names[:2], names[2:]]
    lines = describe(documents, ["1.json", "2.json", "3.json", "4.json"])
    assert [line.split("compare ")[1] for line in lines[-2:]] == ["1.json 2.json", "3.json 4.json"]


def test_models_of_no_bundle_and_bundles_without_baselines_are_compared_with_the_first(slow):
    assert pairs([real(slow, name) for name in ("a.onnx", "b.onnx", "c.onnx")]) == [(0, 1), (0, 2)]
    assert pairs([real(slow, name) for name in ("a.edge/model.onnx", "b.edge/model.onnx")]) == [(0, 1)]
    assert pairs([real(slow, "baseline.onnx"), real(slow, "model.onnx")]) == [(0, 1)]
    assert pairs([slow]) == []


def test_a_ratio_of_models_fed_with_other_sizes_says_so(slow, fast):
    fast["model"]["shapes"] = {"x": [8, 4]}
    assert ratios([slow, fast])[0]["same_shapes"] is False
    assert ratio_lines([slow, fast])[0].endswith("; their inputs differ in size: this is not the same work")


# Where, at what


def test_the_first_note_says_which_part_of_a_board_ran_the_models(slow):
    assert notes([slow])[0].startswith("on a processor, 1 thread, ")
    slow["device"].update(name=BOARD, board={"name": "Jetson Nano"})
    assert notes([slow])[0].startswith(f"on the CPU of {BOARD}, 1 thread, ")
    first = notes([on_gpu(slow)])[0]
    assert first.startswith(f"on the GPU of {BOARD}, ")
    assert "thread" not in first
    slow["emulated"] = True
    assert notes([slow])[0].startswith(f"on the GPU of {BOARD} EMULATED, ")


def test_the_sizes_are_told_once_where_they_are_the_same(slow, fast):
    assert [line for line in notes([slow, fast]) if "at x" in line] == ["at x 1x4"]
    fast["model"].update(shapes={"x": [8, 4]}, batch=8)
    assert [line for line in notes([slow, fast]) if "at x" in line] == [
        "slow.onnx: at x 1x4",
        "fast.onnx: at x 8x4; an inference is one launch, of batch 8",
    ]


def test_an_open_batch_has_samples_beside_inferences(slow):
    slow["model"].update(shapes={"x": [8, 4]}, batch=8)
    assert not [line for line in notes([slow]) if "samples/s" in line]
    slow.update(throughput_per_s=172.4, throughput_samples_per_s=1379.2)
    assert "1379 samples/s in 172.4 inferences/s" in notes([slow])


# Energy


def test_energy_stands_in_all_and_above_idle_each_with_its_interval(slow, fast):
    slow.update(energy_mj=ENERGY, energy_reason=None)
    lines = describe([slow, fast], ["a.json", "b.json"])
    at = next(i for i, line in enumerate(lines) if line.startswith("energy per inference"))
    assert (
        " ".join(lines[at + 1].split()) == "slow.onnx 32.45 mJ 32.19 to 32.74 24.89 mJ 24.69 to 25.11 5.997 W"
    )
    assert " ".join(lines[at + 2].split()) == "fast.onnx not measured not measured not measured"
    assert "power: ina3221 reads POM_5V_IN: the 5 V input of the board" in "\n".join(lines)


def test_energy_that_cannot_be_split_has_no_figure_above_idle(slow):
    energy = dict(ENERGY, above_idle=None, above_idle_reason="idle power drifted")
    slow.update(energy_mj=energy, energy_reason=None)
    lines = describe([slow], ["a.json"])
    assert any(" not told " in line for line in lines)
    assert "energy above idle not told: idle power drifted" in lines


def test_energy_that_was_not_measured_has_its_reason(slow, fast):
    told = [line for line in describe([slow, fast], ["a.json", "b.json"]) if "energy" in line]
    assert told == ["energy not measured: {}".format(slow["energy_reason"])]


# Parity


def test_parity_is_told_with_what_is_allowed(slow):
    slow["parity"] = PARITY
    assert "parity: outputs as expected on 6 samples (largest difference 3e-05, allowed 0.019)" in notes(
        [slow]
    )


@pytest.mark.parametrize(("precision", "word"), [("fp16", "FP16"), ("int8", "INT8")])
def test_a_failure_in_a_coarse_precision_proposes_a_finer_one(precision, word, slow):
    slow["model"]["precision"] = precision
    slow["parity"] = dict(PARITY, ok=False, reason="output 'y' holds NaN or infinity")
    lines = describe([slow], ["a.json"])
    assert lines[0] == "FAIL slow.onnx: output 'y' holds NaN or infinity"
    assert lines[-2:] == [
        "FAIL: outputs differ from the samples",
        f"next: add --precision fp32: if that passes, {word} is too coarse for it",
    ]


def test_after_a_failure_nothing_is_compared(slow):
    slow["parity"] = dict(PARITY, ok=False, reason="output 'y' differs by 1")
    assert describe([slow], ["a.json"])[-1] == "FAIL: outputs differ from the samples"


# Warnings


def test_a_warning_that_holds_for_one_model_names_it_and_for_all_is_told_once(slow, fast):
    slow["warnings"], fast["warnings"] = ["INT64 is computed as INT32", "the clocks"], ["the clocks"]
    assert notes([slow, fast])[-2:] == [
        "warning: slow.onnx: INT64 is computed as INT32",
        "warning: the clocks",
    ]


# Layers


def test_the_slowest_layers_stand_first_and_the_others_are_added_up():
    means_ms = [0.1] * 3 + [0.4, 0.3] + [0.2] * (SHOWN - 2)
    lines = slowest_layers(layers(*means_ms))
    assert [line.split() for line in lines[:3]] == [
        ["layer", "module", "mean", "share"],
        ["Conv_3", "features.3", "0.4000", "ms", "18.2%"],
        ["Conv_4", "features.4", "0.3000", "ms", "13.6%"],
    ]
    assert lines[-1].split() == ["and", "3", "more", "together", "0.3000", "ms", "13.6%"]
    assert len(lines) == 1 + SHOWN + 1


def test_few_layers_are_all_shown_and_a_share_that_is_not_known_is_no_zero():
    found = layers(0.2, 0.1)
    found[1].update(share=None, module=None)
    lines = slowest_layers(found)
    assert len(lines) == 3
    assert lines[2].split() == ["Conv_1", "not", "told", "0.1000", "ms", "not", "known"]


def test_without_a_module_in_any_name_there_is_no_column_for_it():
    found = [dict(layer, module=None) for layer in layers(0.2, 0.1)]
    assert slowest_layers(found)[0].split() == ["layer", "mean", "share"]


def test_long_names_keep_both_ends_and_lines_their_width():
    found = layers(0.2, 0.1)
    found[0].update(name="first" + " + Relu" * 40 + "last", module="features" + ".block" * 20 + ".conv")
    lines = slowest_layers(found)
    assert lines[1].startswith("first + Relu")
    assert "last  features" in lines[1]
    assert max(map(len, lines)) <= 110


def test_layers_are_shown_of_each_model_that_has_them(slow, fast):
    on_gpu(slow, layers=layers(0.2, 0.1), layers_method="IProfiler, 100 runs")
    lines = describe([slow, on_gpu(fast)], ["a.json", "b.json"])
    at = lines.index("slowest layers of slow.onnx (IProfiler, 100 runs)")
    assert lines[at + 2].startswith("Conv_0")
    assert any(line.startswith("fast.onnx: times of layers not told: ") for line in lines)
