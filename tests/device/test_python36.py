"""The package under a real Python 3.6, where one is found: EDGESHRINK_PYTHON36, PATH or pyenv."""

import functools
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import edgeshrink_device
import pytest
from edgeshrink_device import sysroot

from tests.emulated_jetson import sysfs

from .helpers import QUICK_WORDS, write_double, write_null

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

STATS = """
from edgeshrink_device import stats
times = [1.0 + 0.01 * (i % 7) for i in range(400)]
print(stats.summarize(times, [50] * 8)["median"])
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

ENERGY = """
import sys
sys.path.insert(0, sys.argv[1])
import numpy as np
import power_traces
from edgeshrink_device.energy_sampled import summarize_sampled
board = power_traces.Board()
trace = power_traces.sample(board, np.random.default_rng(0), window_s=0.422, renewal_s=0.422)
energy, reason, warnings = summarize_sampled(power_traces.Source(), "", trace, board.turns)
print(energy["total"]["mean"], energy["above_idle"]["mean"])
"""


@functools.lru_cache(maxsize=1)
def python36():
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    candidates = [os.environ.get("EDGESHRINK_PYTHON36"), shutil.which("python3.6")]
    candidates += map(str, sorted(pyenv.glob("versions/3.6*/bin/python")))
    for candidate in filter(None, candidates):
        found = subprocess.run(
            [candidate, "-c", "import sys; print(sys.version_info[:2])"], capture_output=True
        )
        if found.stdout == b"(3, 6)\n":
            return candidate
    return None


@pytest.fixture
def python():
    return python36() or pytest.skip("no Python 3.6 found (EDGESHRINK_PYTHON36, PATH, pyenv)")


def run(python, *words, **options):
    environment = dict(os.environ, PYTHONPATH=str(PACKAGE.parent), PYTHONDONTWRITEBYTECODE="1")
    words = [str(python), *map(str, words)]
    return subprocess.run(words, capture_output=True, text=True, timeout=300, env=environment, **options)


def test_every_file_is_python_36(python):
    done = run(python, "-c", COMPILE, *PACKAGE.rglob("*.py"))
    assert (done.stderr, done.returncode) == ("", 0)


def test_the_command_line_works_without_numpy(python, tmp_path):
    assert "BUNDLE|MODEL.onnx" in run(python, "-m", "edgeshrink_device", "profile", "--help").stdout
    done = run(python, "-m", "edgeshrink_device", "profile", tmp_path / "none.onnx")
    assert done.returncode == 2
    assert done.stderr == f"error: {tmp_path}/none.onnx: no such file or folder.\n"


def test_facts_are_read_and_files_written_without_numpy(python, tmp_path):
    done = run(python, "-c", WITHOUT_NUMPY, tmp_path / "a.json")
    assert done.stdout == f"{tmp_path}/a.json.not: no such file or folder\n"
    written = json.loads((tmp_path / "a.json").read_text())
    assert written["python"] == [3, 6]
    assert written["facts"]["ram_bytes"] > 0


def test_a_boards_state_and_power_are_read_without_numpy(python, tmp_path, monkeypatch):
    sysfs.board(tmp_path, "nano")
    sysfs.old_meter(tmp_path, {"POM_5V_IN": (5000, 600)})
    sysfs.power_modes(tmp_path, {0: "MAXN", 1: "5W"}, 0)
    sysfs.gpu_clock(tmp_path, 921.6, 921.6, 921.6)
    sysfs.zone(tmp_path, 0, "GPU-therm", 40)
    sysfs.cooler(tmp_path, 0, "gpu-balanced", 0)
    monkeypatch.setenv(sysroot.VARIABLE, str(tmp_path))
    done = run(python, "-c", BOARD)
    assert (done.stderr, done.stdout) == (
        "",
        "Jetson Nano NVIDIA Jetson Nano Developer Kit ina3221 3.0\nMAXN True None 0\nFalse\n",
    )


def test_the_null_device_is_profiled_where_numpy_is_installed(python, tmp_path):
    if run(python, "-c", "import numpy").returncode:
        pytest.skip(f"{python} has no numpy")
    profile_null(python, tmp_path)
    integrate_samples(python)


@pytest.mark.slow
def test_everything_runs_with_the_packages_of_its_time(python_of_the_boards, tmp_path):
    own = python_of_the_boards
    profile_null(own, tmp_path)
    integrate_samples(own)
    model = write_double(tmp_path / "m.onnx")
    done = run(own, "-m", "edgeshrink_device", "profile", model, "-o", tmp_path / "cpu.json", *QUICK_WORDS)
    assert (done.stderr, done.returncode) == ("", 0)
    software = json.loads((tmp_path / "cpu.json").read_text())["device"]["software"]
    assert (software["numpy"], software["onnxruntime"]) == ("1.19.5", "1.10.0")


def profile_null(python, tmp_path):
    model = write_null(tmp_path / "m.null")
    words = ["profile", model, "--device", "null", "-o", tmp_path / "null.json", *QUICK_WORDS]
    done = run(python, "-m", "edgeshrink_device", *words)
    assert (done.stderr, done.returncode) == ("", 0)
    document = json.loads((tmp_path / "null.json").read_text())
    assert document["latency_ms"]["end_to_end"]["median"] == pytest.approx(2.04, rel=0.02)
    assert float(run(python, "-c", STATS).stdout) == pytest.approx(1.03)


def integrate_samples(python):
    """7 W and 5 W for 20 ms; within 1%, see test_energy."""
    done = run(python, "-c", ENERGY, Path(__file__).parent)
    assert done.stderr == ""
    assert [float(word) for word in done.stdout.split()] == pytest.approx([140, 100], rel=0.01)


def test_this_python_compiles_every_file_too():
    assert run(sys.executable, "-c", COMPILE, *PACKAGE.rglob("*.py")).returncode == 0
