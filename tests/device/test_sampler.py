import itertools
import threading

import pytest
from edgeshrink_device import DeviceError, InputError, energy_sampled, loads, main, profile_models, sysroot
from edgeshrink_device.power import SOURCES, SampledSource
from edgeshrink_device.sampler import Sampler

from tests.emulated_jetson import sysfs

from .helpers import QUICK, QUICK_WORDS, write_null


class Script(SampledSource):
    """Gives what it was told to, in order, and then dies; a None is a reading that tells nothing."""

    interval_s = 0.001
    rails, covers, emulated = ("ALL",), "everything", True

    def __init__(self, *values):
        self._values, self.over = iter(values), threading.Event()

    def unavailable(self):
        return ""

    def read(self):
        value = next(self._values, "end")
        if value == "end":
            self.over.set()
            raise DeviceError("no such device")
        if isinstance(value, Exception):
            self.over.set()
            raise value
        return value

    def stop(self):
        self.over.set()


def sampled(source):
    with Sampler(source) as sampler:
        assert source.over.wait(10)
        sampler._thread.join(10)
        return sampler.trace()


def test_every_value_has_its_time_and_what_tells_nothing_is_counted():
    trace = sampled(Script(1.0, None, 2.0, 2.0, None))
    assert trace.watts == [1.0, 2.0, 2.0]
    assert trace.times_s == sorted(trace.times_s)
    assert trace.dropped == 2


def test_a_meter_that_dies_leaves_its_cause():
    assert sampled(Script(1.0)).failure == "no such device"
    assert sampled(Script(1.0, ValueError("bad"))).failure == "ValueError: bad"


def test_stopping_is_no_failure():
    class Blocking(Script):
        streaming = True

        def read(self):
            self.over.wait(10)
            raise DeviceError("the stream ended")

    with Sampler(Blocking()) as sampler:
        pass
    assert sampler.trace().failure == ""
    assert not sampler._thread.is_alive()


def test_a_counter_needs_no_loads_and_a_sampled_source_two_of_ten_seconds():
    source = Script()
    source.interval_s = 0.1
    assert loads.plan_loads(source, 0, 8).launches == ()
    source.window_s = 0.05
    plan = loads.plan_loads(source, None, 8)
    assert (plan.seconds, plan.launches) == (10.0, (0, 7))
    assert loads.plan_loads(source, 12, 8).launches == (7,)
    source.window_s = None
    assert loads.plan_loads(source, None, 8).seconds == pytest.approx(1.15 + 5 * 2 + 1.15)


def test_loads_too_short_to_measure_energy_in_are_refused_before_anything_is_measured(tmp_path, monkeypatch):
    SOURCES.entries()
    monkeypatch.setitem(SOURCES._entries, "script", Script)
    Script.name = "script"
    words = ["profile", write_null(tmp_path / "a.null"), "--device", "null", "-o", str(tmp_path / "out.json")]
    monkeypatch.setattr("edgeshrink_device.launches.run_launches", None)
    assert main([*words, *QUICK_WORDS[:-1], "script", "--load-seconds", "3"]) == 2


@pytest.mark.parametrize(("seconds", "window_s", "least"), [(3, None, 10), (9.9, 0.05, 10), (12, 1.5, 19)])
def test_how_long_loads_must_be_follows_from_the_meters_window(seconds, window_s, least):
    source = Script()
    source.name, source.interval_s, source.window_s = "script", 0.1, window_s
    with pytest.raises(InputError, match=f"loads of {seconds:g} s are too short") as caught:
        loads.plan_loads(source, seconds, 8)
    assert f"--load-seconds {least} or more" in caught.value.hint
    loads.plan_loads(source, least, 8)


@pytest.fixture
def quick_loads(monkeypatch):
    """Loads of half a second in place of ten: what is tested is the way of the figures."""
    for name, value in (("SETTLE_S", 0.02), ("STRETCH_S", 0.04), ("IDLE_STRETCH_S", 0.04), ("IDLE_S", 0.1)):
        monkeypatch.setattr(loads, name, value)
    for module in (loads, energy_sampled):
        monkeypatch.setattr(module, "SHORTEST_LOAD_S", 0.4)


def test_a_profile_with_a_sampled_source_has_energy_its_trace_and_its_phases(
    quick_loads, tmp_path, monkeypatch
):
    class Steady(Script):
        window_s = 0.002

        def __init__(self):
            super().__init__(*itertools.islice(itertools.cycle([5.0, 5.01]), 10**6))

    SOURCES.entries()
    monkeypatch.setitem(SOURCES._entries, "steady", Steady)
    Steady.name = "steady"
    models = [write_null(tmp_path / "a.null"), write_null(tmp_path / "b.null")]
    documents = profile_models(models, device="null", **dict(QUICK, power_source="steady", load_seconds=0.8))
    for document in documents:
        energy = document["energy_mj"]
        assert document["energy_reason"] is None
        assert energy["mean_power_w"] == pytest.approx(5.005, abs=0.01)
        assert energy["source"] == "steady"
        assert energy["sampling"]["loads"] == 2
        phases = document["power_trace"]["phases"]
        assert [phase["kind"] for phase in phases] == ["idle", "load", "idle"] * 2
        assert all(block["energy_j"] is None for block in document["blocks"])
        assert document["emulated"]
    turned_off = profile_models(
        models[:1], device="null", **dict(QUICK, power_source="steady", load_seconds=0)
    )[0]
    assert turned_off["energy_mj"] is None
    assert turned_off["power_trace"] is None
    assert "--load-seconds 0" in turned_off["energy_reason"]


def test_the_table_tells_energy_and_what_was_read(quick_loads, tmp_path, monkeypatch, capsys):
    class Alternating(Script):
        window_s = 0.002

        def __init__(self):
            super().__init__(*itertools.islice(itertools.cycle([5.0, 5.01]), 10**6))

    SOURCES.entries()
    monkeypatch.setitem(SOURCES._entries, "alternating", Alternating)
    Alternating.name = "alternating"
    words = ["profile", write_null(tmp_path / "a.null"), "--device", "null", "-o", str(tmp_path / "out.json")]
    words += [*QUICK_WORDS[:-1], "alternating", "--load-seconds", "0.8"]
    assert main(words) == 0
    out = capsys.readouterr().out
    assert " mJ" in out
    assert "power: alternating reads ALL: everything" in out
    assert "above idle" in out


def test_a_meter_that_dies_while_measuring_leaves_the_profile_without_energy(
    quick_loads, tmp_path, monkeypatch
):
    class Dying(Script):
        window_s = 0.002

        def __init__(self):
            super().__init__(*[5.0] * 50)

    SOURCES.entries()
    monkeypatch.setitem(SOURCES._entries, "dying", Dying)
    Dying.name = "dying"
    model = write_null(tmp_path / "a.null")
    document = profile_models([model], device="null", **dict(QUICK, power_source="dying", load_seconds=0.8))[
        0
    ]
    assert document["energy_mj"] is None
    assert document["energy_reason"] == "the meter failed while measuring: no such device"
    assert document["latency_ms"]["end_to_end"]["n"] >= 8


def test_a_profile_on_a_stand_in_says_so_whatever_ran(tmp_path, monkeypatch):
    root = tmp_path / "root"
    sysfs.board(root, "nano")
    sysfs.power_modes(root, {0: "MAXN", 1: "5W"}, 1)
    sysfs.gpu_clock(root, 76.8, 921.6, 76.8)
    sysfs.zone(root, 0, "GPU-therm", 97)
    sysfs.cooler(root, 0, "gpu-balanced", 2)
    monkeypatch.setenv(sysroot.VARIABLE, str(root))
    document = profile_models([write_null(tmp_path / "a.null")], device="null", **QUICK)[0]
    assert document["emulated"]
    assert document["device"]["emulated"]
    assert "the power mode is 1 (5W), not MAXN: sudo nvpmodel -m 0" in document["warnings"]
    assert (document["thermal"]["throttled"], document["thermal"]["limited_by"]) == (True, ["gpu-balanced"])
    assert "the board slowed itself down while it was measured (gpu-balanced)" in document["warnings"][-1]
    assert document["memory_bytes"]["largest_free"]["before"] == {"blocks": 98, "bytes": 4 << 20}
    assert document["memory_bytes"]["device_added"] is None
    assert document["memory_bytes"]["swap_used"] == {"before": 0, "after": 0}
