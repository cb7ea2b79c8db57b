import socket

import pytest
from edgeshrink_device import machine, memory, sysroot
from edgeshrink_device.memory.portable import PortableMemory
from edgeshrink_device.memory.proc import ProcMemory
from edgeshrink_device.thermal import Thermal

CPUINFO = """processor\t: 0
model name\t: Some CPU @ 3.00GHz
physical id\t: 0
core id\t\t: 0
flags\t\t: fpu hypervisor

processor\t: 1
model name\t: Some CPU @ 3.00GHz
physical id\t: 0
core id\t\t: 0
flags\t\t: fpu hypervisor
"""


@pytest.fixture
def root(tmp_path, monkeypatch):
    monkeypatch.setenv(sysroot.VARIABLE, str(tmp_path))
    write(tmp_path, "proc/cpuinfo", CPUINFO)
    write(tmp_path, "etc/os-release", 'NAME=x\nPRETTY_NAME="Some Linux 12"\n')
    for name, value in (
        ("governor", "powersave"),
        ("cur_freq", 800000),
        ("min_freq", 800000),
        ("max_freq", 3000000),
    ):
        write(tmp_path, f"sys/devices/system/cpu/cpu0/cpufreq/scaling_{name}", f"{value}\n")
    return tmp_path


def write(root, path, text):
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_text(text)


def test_the_machine_is_described_from_what_the_system_tells(root):
    facts = machine.facts()
    assert facts["name"] == "Some CPU @ 3.00GHz"
    assert facts["cores_physical"] == 1
    assert facts["virtual_machine"] is True
    assert facts["os"] == "Some Linux 12"
    assert facts["governor"] == "powersave"
    assert facts["frequency_mhz"] == {"current": 800, "min": 800, "max": 3000}
    assert facts["clocks_locked"] is False


def test_a_board_is_named_by_its_device_tree(root):
    write(root, "proc/device-tree/model", "NVIDIA Jetson Nano Developer Kit\0")
    assert machine.facts()["name"] == "NVIDIA Jetson Nano Developer Kit"


def test_a_jetson_is_always_named_one(root):
    write(root, "proc/device-tree/model", "quill\0")
    write(root, "proc/device-tree/compatible", "nvidia,p3310-1000\0nvidia,tegra186\0")
    assert machine.board() == "Jetson TX2 (quill)"
    write(root, "proc/device-tree/model", "raspberry\0")
    write(root, "proc/device-tree/compatible", "raspberrypi,4-model-b\0")
    assert machine.board() == "raspberry"


def test_what_the_system_does_not_tell_is_null(tmp_path, monkeypatch):
    monkeypatch.setenv(sysroot.VARIABLE, str(tmp_path / "nowhere"))
    facts = machine.facts()
    assert facts["cores_physical"] is None
    assert facts["governor"] is None
    assert facts["clocks_locked"] is None
    assert facts["frequency_mhz"] == {"current": None, "min": None, "max": None}


def test_the_host_name_is_not_told():
    name = socket.gethostname()
    facts = machine.facts()
    assert name not in [facts["name"], facts["os"], facts["kernel"]]
    assert not {"node", "host", "hostname", "serial"} & set(facts)


def test_memory_reads_what_the_kernel_tells(tmp_path):
    write(tmp_path, "self/status", "VmHWM:\t  2048 kB\nVmRSS:\t  1024 kB\n")
    write(tmp_path, "meminfo", "MemTotal: 4096 kB\nMemFree: 1 kB\nMemAvailable: 3072 kB\n")
    source = ProcMemory(str(tmp_path))
    assert source.available()
    assert (source.process_now(), source.process_peak()) == (1 << 20, 2 << 20)
    assert (source.device_used(), source.device_total()) == (1 << 20, 4 << 20)


def test_memory_that_the_kernel_does_not_tell_is_none(tmp_path):
    source = ProcMemory(str(tmp_path))
    assert not source.available()
    assert source.device_used() is None


def test_every_memory_source_agrees_that_this_process_has_some():
    source = memory.pick()
    now = source.process_now()
    assert source.process_peak() >= now > 1_000_000
    assert PortableMemory().process_peak() > 1_000_000
    assert PortableMemory().device_total() == pytest.approx(memory.pick().device_total(), rel=0.01)


def test_temperatures_leave_out_dummies_and_zones_that_are_off(tmp_path):
    for i, (name, value) in enumerate((("CPU-therm", 34500), ("PMIC-Die", 100000), ("GPU-therm", -256000))):
        write(tmp_path, f"class/thermal/thermal_zone{i}/type", name)
        write(tmp_path, f"class/thermal/thermal_zone{i}/temp", str(value))
    thermal, reason = Thermal(str(tmp_path)).read()
    assert reason is None
    assert thermal["start"] == thermal["end"] == {"CPU-therm": 34.5}
    assert thermal["throttled"] is None
    assert thermal["throttled_reason"]


def test_throttling_is_a_count_that_grew(tmp_path):
    write(tmp_path, "class/thermal/thermal_zone0/type", "x86_pkg_temp")
    write(tmp_path, "class/thermal/thermal_zone0/temp", "40000")
    count = "devices/system/cpu/cpu0/thermal_throttle/core_throttle_count"
    write(tmp_path, count, "3")
    thermal = Thermal(str(tmp_path))
    assert thermal.read()[0]["throttled"] is False
    write(tmp_path, count, "4")
    assert thermal.read()[0]["throttled"] is True


def test_no_thermal_zone_is_null_with_the_reason(tmp_path):
    thermal, reason = Thermal(str(tmp_path)).read()
    assert thermal is None
    assert "no thermal zone" in reason
