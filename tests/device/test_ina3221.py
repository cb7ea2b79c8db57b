import os

import pytest
from edgeshrink_device import DeviceError, power, sysroot
from edgeshrink_device.power.ina3221 import FAILURES, Ina3221

from tests.emulated_jetson import sysfs

NANO = {"POM_5V_IN": (5000, 600), "POM_5V_GPU": (5000, 100), "POM_5V_CPU": (5000, 200)}


@pytest.fixture
def root(tmp_path, monkeypatch):
    monkeypatch.setenv(sysroot.VARIABLE, str(tmp_path))
    return tmp_path


@pytest.fixture
def nano(root):
    sysfs.board(root, "nano")
    sysfs.old_meter(root, NANO)
    return root


@pytest.fixture
def agx_orin(root):
    sysfs.board(root, "agx-orin", "36.4.3")
    first = {"VDD_GPU_SOC": (19000, 200), "VDD_CPU_CV": (19000, 100), "VIN_SYS_5V0": (5000, 900)}
    sysfs.new_meter(root, first, "1-0040", 3, update_interval_ms=420, shunt_uohm=2000)
    sysfs.new_meter(root, {"NC": (0, 0), "VDDQ_VDD2_1V8AO": (5000, 300)}, "1-0041", 4, update_interval_ms=70)
    return root


def started():
    source = Ina3221()
    assert source.unavailable() == ""
    source.start()
    return source


def test_the_total_of_a_nano_is_its_input_rail_alone(nano):
    source = started()
    assert source.rails == ("POM_5V_IN",)
    assert source.read() == 3.0
    assert source.window_s is None
    sysfs.set_rail(nano, "POM_5V_IN", 5000, 1608)
    assert source.read() == 8.04


def test_the_later_driver_gives_voltage_times_current_and_no_part_twice(agx_orin):
    source = started()
    assert source.rails == ("VDD_GPU_SOC", "VDD_CPU_CV", "VIN_SYS_5V0")
    assert source.read() == pytest.approx(3.8 + 1.9 + 4.5)
    assert source.window_s == 0.42


def test_the_step_comes_from_the_shunt_where_the_driver_tells_it(agx_orin):
    """40 uV on 2 mOhm are 20 mA: 0.38 W at 19 V, twice, and 0.1 W at 5 V."""
    source = started()
    source.read()
    assert source.resolution_w == pytest.approx(0.38 + 0.38 + 0.1)


def test_the_step_of_a_nano_is_seen_in_its_current(nano):
    source = started()
    assert source.resolution_w is None
    for milliamperes in (600, 608, 632, 616):
        sysfs.set_rail(nano, "POM_5V_IN", 5000, milliamperes)
        for _ in range(10):
            source.read()
    assert source.resolution_w == pytest.approx(0.04)


def test_hwmon_numbers_may_be_any(root):
    sysfs.board(root, "orin-nano", "36.4.3")
    sysfs.new_meter(root, {"VDD_IN": (5000, 1000), "VDD_CPU_GPU_CV": (5000, 1)}, number=17)
    assert started().read() == 5.0


def test_a_meter_in_a_container_without_the_bus_is_found_by_its_name(root):
    sysfs.board(root, "orin-nano", "36.4.3")
    for file, text in (
        ("name", "ina3221"),
        ("in1_label", "VDD_IN"),
        ("in1_input", 5000),
        ("curr1_input", 900),
    ):
        sysfs.write(root, f"/sys/class/hwmon/hwmon2/{file}", text)
    assert started().read() == 4.5


@pytest.mark.parametrize("chip", ["ina238", "ina237"])
def test_the_input_of_a_thor_is_the_meter_on_its_carrier(root, chip):
    sysfs.board(root, "thor", "38.2.0")
    sysfs.new_meter(
        root, {"VDD_GPU": (19000, 100), "VDD_CPU_SOC_MSS": (19000, 300), "VIN_SYS_5V0": (5000, 1100)}
    )
    assert "do not add up" in Ina3221().unavailable()
    sysfs.write(root, "/sys/class/hwmon/hwmon9/name", chip)
    sysfs.write(root, "/sys/class/hwmon/hwmon9/power1_input", 19_800_000)
    source = started()
    assert (source.rails, source.read()) == (("VIN",), 19.8)


def test_without_a_meter_it_says_so(root):
    assert Ina3221().unavailable() == f"no INA3221 meter in {root}/sys"
    sysfs.old_meter(root, NANO)
    assert Ina3221().unavailable() == "this is no Jetson board"


def test_a_file_that_may_not_be_read_is_named_with_the_cause(nano):
    file = next(nano.glob("sys/bus/i2c/drivers/ina3221x/*/*/in_power0_input"))
    file.unlink()
    assert Ina3221().unavailable() == f"{file} cannot be read (No such file or directory)"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_no_permission_is_told_as_such(nano):
    file = next(nano.glob("sys/bus/i2c/drivers/ina3221x/*/*/in_power0_input"))
    file.chmod(0)
    assert Ina3221().unavailable() == f"{file} cannot be read (Permission denied)"


@pytest.mark.parametrize(
    ("millivolts", "milliamperes"),
    [(5000, -600), (0, 0), (32760, 100), (32000, 30000), ("garbage", 1)],
)
def test_values_that_cannot_be_are_no_readings_and_never_zero(root, millivolts, milliamperes):
    sysfs.board(root, "orin-nano", "36.4.3")
    sysfs.new_meter(root, {"VDD_IN": (5000, 1000)})
    source = started()
    sysfs.set_rail(root, "VDD_IN", millivolts, milliamperes)
    assert source.read() is None
    sysfs.set_rail(root, "VDD_IN", 5000, 800)
    assert source.read() == 4.0


def test_a_meter_that_dies_ends_with_the_cause(nano):
    source = started()
    for file in nano.glob("sys/bus/i2c/drivers/ina3221x/*/*/in_*"):
        file.unlink()
    for _ in range(FAILURES - 1):
        assert source.read() is None
    with pytest.raises(DeviceError, match=r"can no longer be read \(No such file or directory\)"):
        source.read()


def test_auto_takes_it_on_a_jetson(nano):
    source, why = power.choose("auto")
    assert source.name == "ina3221"
    assert why.startswith("first source that works here: the board's own meters")


def test_auto_says_why_a_jetson_without_a_sensor_has_no_energy(root):
    sysfs.board(root, "nano-2gb")
    source, why = power.choose("auto")
    assert source.name == "none"
    assert "ina3221: no INA3221 meter" in why
