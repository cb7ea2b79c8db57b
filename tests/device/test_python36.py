"""The package under a bare Python 3.6: no numpy, nothing installed.

All tests of the package run under a Python 3.6 with numpy and ONNX Runtime, too: `make test-python36`.
"""

import json
import os
from pathlib import Path

import edgeshrink_device
from edgeshrink_device import sysroot
from edgeshrink_device.tegrastats import parse_line

from tests.emulated_jetson import sysfs

from . import processes
from .processes import python36
from .tegrastats_lines import damaged

PACKAGE = Path(edgeshrink_device.__file__).parent

COMPILE = """
import sys
for path in sys.argv[1:]:
    compile(open(path, encoding="utf-8").read(), path, "exec")
"""

WITHOUT_NUMPY = """
import sys
from edgeshrink_device import InputError, files, machine, targets
document = {"python": sys.version_info[:2], "facts": machine.facts()}
files.write_all([document], [sys.argv[1]])
try:
    targets.find_targets([sys.argv[1] + ".not"], "cpu")
except InputError as error:
    print(error.message)
"""

BOARD = """
from edgeshrink_device import boards, machine, memory, power, sampler, state, thermal
source, why = power.choose("auto")
with sampler.Sampler(source) as sampling:
    while len(sampling.trace().watts) < 2:
        pass
print(boards.detect().name, machine.board(), source.name, sampling.trace().watts[0])
print(state.power_mode().name, state.clocks()["locked"], state.fan(), memory.state()["swap"])
print(thermal.Thermal().read()[0]["throttled"])
"""


def run(*words, **options):
    environment = dict(os.environ, PYTHONPATH=str(PACKAGE.parent), PYTHONDONTWRITEBYTECODE="1")
    return processes.run(python36(), *words, env=environment, **options)


def test_every_file_is_python_36():
    done = run("-c", COMPILE, *PACKAGE.rglob("*.py"))
    assert (done.stderr, done.returncode) == ("", 0)


def test_the_command_line_works_without_numpy(tmp_path):
    assert "BUNDLE|MODEL.onnx" in run("-m", "edgeshrink_device", "profile", "--help").stdout
    done = run("-m", "edgeshrink_device", "profile", tmp_path / "none.onnx")
    assert done.returncode == 2
    assert done.stderr == f"error: {tmp_path}/none.onnx: no such file or folder.\n"


def test_facts_are_read_and_files_written_without_numpy(tmp_path):
    done = run("-c", WITHOUT_NUMPY, tmp_path / "a.json")
    assert done.stdout == f"{tmp_path}/a.json.not: no such file or folder\n"
    written = json.loads((tmp_path / "a.json").read_text())
    assert written["python"] == [3, 6]
    assert written["facts"]["ram_bytes"] > 0


def test_a_boards_state_and_power_are_read_without_numpy(tmp_path, monkeypatch):
    sysfs.board(tmp_path, "nano")
    sysfs.old_meter(tmp_path, {"POM_5V_IN": (5000, 600)})
    sysfs.power_modes(tmp_path, {0: "MAXN", 1: "5W"}, 0)
    sysfs.gpu_clock(tmp_path, 921.6, 921.6, 921.6)
    sysfs.cpu_clocks(tmp_path, 1479, 1479, 1479)
    sysfs.zone(tmp_path, 0, "GPU-therm", 40)
    sysfs.cooler(tmp_path, 0, "gpu-balanced", 0)
    monkeypatch.setenv(sysroot.VARIABLE, str(tmp_path))
    done = run("-c", BOARD)
    assert (done.stderr, done.stdout) == (
        "",
        "Jetson Nano NVIDIA Jetson Nano Developer Kit ina3221 3.0\nMAXN True None 0\nFalse\n",
    )


def test_damaged_lines_of_tegrastats_read_the_same_as_under_this_python():
    lines = [line for line in damaged(2000, seed=1) if line.strip()]
    done = run("-m", "edgeshrink_device", "tegrastats", "-", input="".join(line + "\n" for line in lines))
    assert (done.stderr, done.returncode) == ("", 0)
    assert [json.loads(line) for line in done.stdout.splitlines()] == [parse_line(line) for line in lines]
