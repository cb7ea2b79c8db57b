import numpy as np
import pytest
from edgeshrink_device import DeviceError, InputError, energy, power
from edgeshrink_device.power.none import NoPower
from edgeshrink_device.power.rapl import Rapl


def write_domain(root, folder, name, microjoules=0, wraps_at=1000000000):
    path = root / folder
    path.mkdir(exist_ok=True)
    (path / "name").write_text(name + "\n")
    (path / "energy_uj").write_text(f"{microjoules}\n")
    (path / "max_energy_range_uj").write_text(f"{wraps_at}\n")


@pytest.fixture
def powercap(tmp_path):
    write_domain(tmp_path, "intel-rapl:0", "package-0", 5_000_000)
    write_domain(tmp_path, "intel-rapl:0:0", "core", 1_000_000)
    write_domain(tmp_path, "intel-rapl:0:1", "dram", 2_000_000)
    write_domain(tmp_path, "intel-rapl:1", "psys", 9_000_000)
    write_domain(tmp_path, "intel-rapl-mmio:0", "package-0", 5_000_000)
    return tmp_path


def test_rapl_adds_packages_and_memory_and_no_part_twice(powercap):
    source = Rapl(str(powercap))
    assert source.unavailable() == ""
    assert source.rails == ("package-0", "package-0 dram")
    source.start()
    for folder in ("intel-rapl:0", "intel-rapl:0:0", "intel-rapl:0:1", "intel-rapl:1", "intel-rapl-mmio:0"):
        (powercap / folder / "energy_uj").write_text("7000000")
    assert source.joules() == pytest.approx(2 + 5)


def test_rapl_undoes_the_wrap_of_a_counter(powercap):
    write_domain(powercap, "intel-rapl:0", "package-0", 999_000_000)
    source = Rapl(str(powercap))
    source.start()
    (powercap / "intel-rapl:0" / "energy_uj").write_text("3000000")
    assert source.joules() == pytest.approx(4)
    assert source.joules() == pytest.approx(4)
    assert source.longest_window_s == 1.0


def test_rapl_that_is_not_there_or_not_readable_says_so(tmp_path, powercap):
    assert "no intel-rapl package" in Rapl(str(tmp_path / "missing")).unavailable()
    (powercap / "intel-rapl:0" / "energy_uj").unlink()
    (powercap / "intel-rapl:0" / "energy_uj").mkdir()
    assert "energy_uj is not readable" in Rapl(str(powercap)).unavailable()


def test_auto_says_why_it_took_what_it_took(monkeypatch):
    monkeypatch.setattr(Rapl, "unavailable", lambda self: "not here")
    source, why = power.choose("auto")
    assert isinstance(source, NoPower)
    assert why == "no power meter (rapl: not here)"
    monkeypatch.setattr(Rapl, "unavailable", lambda self: "")
    assert power.choose("auto")[0].name == "rapl"


def test_a_source_asked_for_that_does_not_work_is_an_error(monkeypatch):
    monkeypatch.setattr(Rapl, "unavailable", lambda self: "not here")
    with pytest.raises(DeviceError, match="power source 'rapl' cannot be used here: not here"):
        power.choose("rapl")


def test_an_unknown_source_names_the_nearest():
    with pytest.raises(InputError, match="unknown power source 'rappel'") as caught:
        power.choose("rappel")
    assert caught.value.hint == f"Did you mean 'rapl'? Known: auto, {', '.join(power.SOURCES.names())}."


class Meter(NoPower):
    """A source that worked: all that energy.py asks of it."""

    name = "meter"
    rails = ("all",)


def blocks(rng, watts=15.0, run_s=0.01, launches=8):
    """Blocks of 9 timed and 1 lead-in run of 10 ms each."""
    window_s = 10 * run_s
    return [
        {
            "launch": launch,
            "start_s": launch * 0.5 + i * window_s,
            "runs": 9,
            "lead_in_runs": 1,
            "window_s": window_s,
            "energy_j": watts * window_s * rng.normal(1, 0.02),
        }
        for launch in range(launches)
        for i in range(4)
    ]


def idle(rng, watts=10.0):
    return [(watts * 0.1 * rng.normal(1, 0.02), 0.1) for _ in range(40)]


def test_energy_per_inference_is_that_of_the_trace_total_and_above_idle():
    rng = np.random.default_rng(0)
    result, reason = energy.summarize_energy(Meter(), "asked for", blocks(rng), idle(rng))
    assert reason is None
    assert result["total"]["mean"] == pytest.approx(150, rel=0.02)
    assert result["above_idle"]["mean"] == pytest.approx(50, rel=0.05)
    assert result["idle_power_w"] == pytest.approx(10, rel=0.02)
    assert result["source"] == "meter"
    assert result["samples"] == 32 + 40


def test_energy_intervals_cover_the_truth_as_often_as_they_say():
    rng = np.random.default_rng(1)
    total = above = 0
    for seed in range(150):
        result, _ = energy.summarize_energy(Meter(), "", blocks(rng), idle(rng), seed)
        total += result["total"]["ci95"][0] <= 150 <= result["total"]["ci95"][1]
        above += result["above_idle"]["ci95"][0] <= 50 <= result["above_idle"]["ci95"][1]
    assert total / 150 >= 0.90
    assert above / 150 >= 0.90


@pytest.mark.parametrize(
    ("limits", "reason"),
    [
        ({"shortest_window_s": 0.2}, "blocks of 100.0 ms are too short for meter"),
        ({"longest_window_s": 0.05}, "may wrap unseen"),
    ],
)
def test_energy_that_cannot_be_told_is_null_with_the_reason(limits, reason):
    rng = np.random.default_rng(0)
    source = Meter()
    for name, value in limits.items():
        setattr(source, name, value)
    result, why = energy.summarize_energy(source, "", blocks(rng), idle(rng))
    assert result is None
    assert reason in why


def test_no_meter_gives_no_trace_and_the_reason_of_the_choice():
    silent = [dict(block, energy_j=None) for block in blocks(np.random.default_rng(0))]
    assert energy.summarize_energy(NoPower(), "no power meter", silent, []) == (None, "no power meter")
    assert energy.power_trace(silent) is None


def test_the_power_trace_is_each_blocks_mean_power_at_its_middle():
    trace = energy.power_trace(blocks(np.random.default_rng(0))[:2])
    assert trace["t_s"] == [0.05, 0.15]
    assert trace["w"] == pytest.approx([15, 15], rel=0.1)
