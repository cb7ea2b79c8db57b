"""jtop and nvml against small stand-ins of what they talk to: a module and a shared library."""

import ctypes
import shutil
import subprocess
import sys
import types

import pytest
from edgeshrink_device import power, sysroot
from edgeshrink_device.errors import DeviceError
from edgeshrink_device.power import nvml
from edgeshrink_device.power.jtop import Jtop

from tests.emulated_jetson import sysfs

JTOP = """
class jtop:
    def __init__(self, interval):
        self.left = 3
    def start(self):
        if {down}:
            raise OSError("no socket")
    def ok(self):
        self.left -= 1
        return self.left >= 0
    power = {power}
    def close(self):
        pass
"""

NVML = """
#include <string.h>
static unsigned long long millijoules = 1000;
int nvmlInit_v2(void) { return 0; }
int shut = 0;
int nvmlShutdown(void) { shut++; return 0; }
int nvmlDeviceGetCount_v2(unsigned *count) { *count = COUNT; return 0; }
int nvmlDeviceGetHandleByIndex_v2(unsigned i, void **device) { *device = &millijoules; return HANDLE; }
int nvmlDeviceGetName(void *device, char *name, unsigned length) { strncpy(name, "GPU", length); return 0; }
int nvmlDeviceGetTotalEnergyConsumption(void *device, unsigned long long *value)
{ millijoules += 500; *value = millijoules; return CODE; }
"""

PARTS = {"POM_5V_GPU": {"power": 500, "avg": 400}, "POM_5V_CPU": {"power": 900, "avg": 900}}
TOTAL = {"name": "POM_5V_IN", "power": 3100, "avg": 2900}


@pytest.fixture
def nano(tmp_path, monkeypatch):
    root = tmp_path / "root"
    sysfs.board(root, "nano")
    monkeypatch.setenv(sysroot.VARIABLE, str(root))
    return root


def install_jtop(monkeypatch, shown, down=False):
    module = types.ModuleType("jtop")
    exec(JTOP.format(power=shown, down=down), module.__dict__)
    monkeypatch.setitem(sys.modules, "jtop", module)


def test_jtop_gives_the_latest_value_of_the_rail_that_is_the_total(nano, monkeypatch):
    install_jtop(monkeypatch, {"rail": PARTS, "tot": TOTAL})
    source = Jtop()
    assert source.unavailable() == ""
    assert source.rails == ("POM_5V_IN",)
    source.start()
    assert source.read() == 3.1
    source.read()
    source.read()
    with pytest.raises(DeviceError, match="ended"):
        source.read()
    source.stop()


def test_jtops_own_sum_of_rails_is_not_taken(nano, monkeypatch):
    install_jtop(monkeypatch, {"rail": PARTS, "tot": {"power": 1400, "avg": 1300}})
    assert "the total of a Jetson Nano is POM_5V_IN" in Jtop().unavailable()


@pytest.mark.parametrize(
    "power",
    [("a tuple", 3), None, {"rail": ["POM_5V_IN"]}, {"rail": {"POM_5V_IN": 3100}}, {"tot": 7},
     {"tot": {"name": "POM_5V_IN", "power": "3.1 W"}}],
)  # fmt: skip
def test_a_jtop_that_tells_power_in_another_form_is_not_used(nano, monkeypatch, power):
    install_jtop(monkeypatch, power)
    assert Jtop().unavailable() == "this jetson-stats tells power in a form not known here"


def test_jtop_without_its_module_or_its_service_says_so(nano, monkeypatch):
    monkeypatch.setitem(sys.modules, "jtop", None)
    assert Jtop().unavailable() == "jetson-stats is not installed"
    install_jtop(monkeypatch, {}, down=True)
    assert Jtop().unavailable() == "the service of jetson-stats does not answer (no socket)"


@pytest.fixture
def library(tmp_path, monkeypatch):
    compiler = shutil.which("cc") or pytest.skip("no C compiler")

    def build(code=0, count=1, handle=0):
        source, built = tmp_path / "nvml.c", tmp_path / f"libnvml{code}-{count}-{handle}.so"
        told = {"CODE": code, "COUNT": count, "HANDLE": handle}
        source.write_text(NVML)
        defined = [f"-D{name}={value}" for name, value in told.items()]
        subprocess.run([compiler, "-shared", "-fPIC", *defined, "-o", built, source], check=True)
        monkeypatch.setattr(nvml, "LIBRARY", str(built))
        return ctypes.CDLL(str(built))

    return build


def test_nvml_gives_the_mean_power_between_two_readings_of_its_counter(library):
    library()
    source, why = power.choose("nvml")
    assert (source.rails, why) == (("GPU",), "asked for by --power nvml")
    source.start()
    (start, _), watts = source._last, source.read()
    assert watts == pytest.approx(0.5 / (source._last[0] - start))
    source.stop()


def test_nvml_without_a_counter_or_a_library_says_so(library, monkeypatch):
    library(nvml.NOT_SUPPORTED)
    assert nvml.Nvml().unavailable() == "this GPU has no energy counter"
    library(999)
    assert nvml.Nvml().unavailable() == "NVML cannot read the energy counter (error 999)"
    monkeypatch.setattr(nvml, "LIBRARY", "libnot-there.so")
    assert nvml.Nvml().unavailable() == "libnot-there.so cannot be loaded"


def test_nvml_tells_of_no_gpu_where_there_are_several(library):
    """NVML and CUDA number them differently."""
    library(count=2)
    assert nvml.Nvml().unavailable() == "which of 2 GPUs the counter is of is not known"


def test_nvml_that_finds_no_gpu_is_let_go_of_and_asked_anew(library):
    built = library(handle=6)
    source = nvml.Nvml()
    for asked in (1, 2):
        assert source.unavailable() == "NVML cannot find a GPU (error 6)"
        assert ctypes.c_int.in_dll(built, "shut").value == asked


def test_nvml_is_never_taken_by_itself(library):
    library()
    assert power.choose("auto")[0].name != "nvml"


def test_a_stand_in_never_shows_this_machines_gpu(library, nano):
    library()
    assert nvml.Nvml().unavailable() == "a stand-in has no NVML"
