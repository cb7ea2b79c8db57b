import pytest
from edgeshrink_device import machine, state, sysroot
from edgeshrink_device.thermal import Thermal

from tests.emulated_jetson import sysfs

ORIN_SUPER = {0: "15W", 1: "25W", 2: "MAXN_SUPER", 3: "7W"}
XAVIER_NX = {0: "MODE_15W_2CORE", 2: "MODE_15W_6CORE", 3: "MODE_10W_2CORE", 8: "MODE_20W_6CORE"}


@pytest.fixture
def root(tmp_path, monkeypatch):
    monkeypatch.setenv(sysroot.VARIABLE, str(tmp_path))
    sysfs.board(tmp_path, "nano")
    return tmp_path


@pytest.mark.parametrize(
    ("modes", "now", "name", "best"),
    [
        ({0: "MAXN", 1: "5W"}, 1, "5W", (0, "MAXN")),
        (ORIN_SUPER, 0, "15W", (2, "MAXN_SUPER")),
        (XAVIER_NX, 2, "MODE_15W_6CORE", (8, "MODE_20W_6CORE")),
    ],
)
def test_the_mode_without_limits_is_found_by_its_name_and_not_by_its_number(root, modes, now, name, best):
    sysfs.power_modes(root, modes, now)
    mode = state.power_mode()
    assert (mode.number, mode.name, mode.reason) == (now, name, None)
    assert (mode.best_number, mode.best_name) == best


def test_a_mode_without_the_configuration_is_its_number(root):
    sysfs.write(root, "/var/lib/nvpmodel/status", "pmode:0001")
    mode = state.power_mode()
    assert (mode.number, mode.name, mode.best_number) == (1, None, None)
    assert machine.facts()["power_mode"] == "mode 1"


@pytest.mark.parametrize("listed", [True, False])
def test_a_mode_of_which_the_name_alone_is_told_is_not_called_slow(root, monkeypatch, listed):
    """`nvpmodel -q` of some releases, in a container without the status file."""
    if listed:
        sysfs.power_modes(root, {0: "MAXN", 1: "5W"}, 0)
        (root / "var/lib/nvpmodel/status").unlink()
    monkeypatch.setattr(sysroot, "emulated", lambda: False)
    program = root / "nvpmodel"
    program.write_text("#!/bin/sh\necho NV Power Mode: MAXN\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{root}:/bin")
    mode = state.power_mode()
    assert (mode.number, mode.name) == (0 if listed else None, "MAXN")
    assert state.advice(mode, True) == []


def test_a_mode_that_nothing_tells_is_null_with_the_reason(root):
    mode = state.power_mode()
    assert (mode.number, mode.name) == (None, None)
    assert "nvpmodel -q" in mode.reason
    assert machine.facts()["power_mode_reason"] == mode.reason


def test_clocks_are_locked_when_those_of_gpu_and_all_cores_are(root):
    reason = "the system tells no clock limits of the GPU and the CPU"
    assert state.clocks() == {"locked": None, "reason": reason, "gpu": None, "cpu": None}
    sysfs.gpu_clock(root, 921.6, 921.6, 921.6)
    sysfs.cpu_clocks(root, 1479, 1479, 1479)
    locked = state.clocks()
    assert (locked["locked"], locked["reason"]) == (True, None)
    assert locked["gpu"] == {"min_mhz": 921.6, "max_mhz": 921.6, "current_mhz": 921.6}
    sysfs.gpu_clock(root, 76.8, 921.6, 153.6)
    assert state.clocks()["locked"] is False
    sysfs.gpu_clock(root, 921.6, 921.6, 921.6)
    sysfs.write(root, "/sys/devices/system/cpu/cpu3/cpufreq/scaling_min_freq", 102000)
    assert state.clocks()["locked"] is False


@pytest.mark.parametrize(
    "name", ["57000000.gpu", "17000000.gp10b", "17000000.gv11b", "17000000.ga10b", "gpu-gpc-0"]
)
def test_the_gpus_clock_is_found_under_every_boards_name(root, name):
    sysfs.gpu_clock(root, 100, 200, 150, name)
    sysfs.gpu_clock(root, 1, 2, 1, "15340000.vic")
    assert state.clocks()["gpu"]["max_mhz"] == 200


@pytest.mark.parametrize("old", [True, False])
def test_the_fan_is_told_in_percent(root, old):
    assert state.fan() is None
    sysfs.fan(root, 51, None, old)
    assert state.fan() == {"percent": 20, "rpm": None}
    sysfs.fan(root, 255, 4200, old)
    assert state.fan() == {"percent": 100, "rpm": 4200}


def test_advice_names_the_commands_and_knows_what_is_already_set(root):
    sysfs.power_modes(root, ORIN_SUPER, 0)
    slow = state.power_mode()
    assert state.advice(slow, False) == [
        "the power mode is 0 (15W), not MAXN_SUPER: sudo nvpmodel -m 2",
        "the clocks follow the load: sudo jetson_clocks (again after the power mode is changed)",
    ]
    assert state.advice(slow, True)[1].startswith("the clocks are locked for this mode: sudo jetson_clocks")
    sysfs.power_modes(root, ORIN_SUPER, 2)
    best = state.power_mode()
    assert state.advice(best, False) == ["the clocks follow the load: sudo jetson_clocks"]
    assert state.advice(best, True) == []
    assert state.advice(best, None) == []


def test_a_slowed_board_is_told_what_to_do_about_it(root):
    sysfs.power_modes(root, {0: "MAXN"}, 0)
    hot = {"throttled": True, "limited_by": ["gpu-balanced"], "over_current_events": 0}
    (told,) = state.advice(state.power_mode(), True, hot, {"percent": 20, "rpm": None})
    assert "(gpu-balanced): its figures are those of a slowed board; sudo jetson_clocks --fan" in told
    assert "give it a fan" in state.advice(state.power_mode(), True, hot, None)[0]
    weak = {"throttled": True, "limited_by": [], "over_current_events": 3}
    assert "(over-current)" in state.advice(state.power_mode(), True, weak, None)[0]
    assert "power supply may be too weak" in state.advice(state.power_mode(), True, weak, None)[0]


def test_a_jetsons_facts_are_in_its_device_object(root):
    sysfs.power_modes(root, {0: "MAXN", 1: "5W"}, 0)
    sysfs.gpu_clock(root, 921.6, 921.6, 921.6)
    sysfs.cpu_clocks(root, 1479, 1479, 1479)
    facts = machine.facts()
    assert facts["name"] == "NVIDIA Jetson Nano Developer Kit"
    assert facts["emulated"] is True
    assert (facts["board"]["module"], facts["board"]["sm"]) == ("p3448-0000", "5.3")
    assert (facts["power_mode"], facts["clocks_locked"]) == ("MAXN", True)
    assert (facts["software"]["l4t"], facts["software"]["jetpack"]) == ("32.7.1", "4.6.1")
    assert facts["ram_bytes"] == 3964 << 20


def test_a_cooling_device_that_limited_something_in_between_is_throttling(root):
    sysfs.zone(root, 0, "GPU-therm", 60)
    sysfs.cooler(root, 0, "pwm-fan", 3)
    sysfs.cooler(root, 1, "gpu-balanced", 0)
    thermal = Thermal()
    assert thermal.read()[0]["throttled"] is False
    sysfs.cooler(root, 1, "gpu-balanced", 2)
    thermal.look()
    sysfs.cooler(root, 1, "gpu-balanced", 0)
    sysfs.zone(root, 0, "GPU-therm", 85)
    told = thermal.read()[0]
    assert (told["throttled"], told["limited_by"]) == (True, ["gpu-balanced"])
    assert (told["start"], told["end"]) == ({"GPU-therm": 60}, {"GPU-therm": 85})


def test_over_current_events_are_counted_from_the_start(root):
    sysfs.zone(root, 0, "cpu-thermal", 50)
    sysfs.over_current(root, (0, 15, 37))
    thermal = Thermal()
    assert thermal.read()[0]["over_current_events"] == 0
    sysfs.over_current(root, (0, 15, 40))
    told = thermal.read()[0]
    assert (told["throttled"], told["over_current_events"], told["limited_by"]) == (True, 3, [])
