"""The command `doctor` on whole and broken boards, on a PC, and under the boards' Python 3.6."""

import json
import os
import pty
import shutil
import subprocess
import sys

import pytest
from edgeshrink_device import sysroot
from edgeshrink_device.doctor import CHECKS, examine

from tests.emulated_jetson import sysfs
from tests.emulated_jetson.board import board

from .emulated_helpers import VERSIONS
from .processes import run

HEAVY = """
import sys
from edgeshrink_device import main
main(["doctor", "--json"])
print([name for name in ("numpy", "tensorrt", "onnxruntime") if name in sys.modules], file=sys.stderr)
"""
MISSING_LIBRARY = """
raise ImportError("libnvinfer.so.8: cannot open shared object file: No such file or directory")
"""
ILLEGAL = "import os, signal; os.kill(os.getpid(), signal.SIGILL)"
LIBRARIES = "usr/lib/aarch64-linux-gnu"


@pytest.fixture
def made(tmp_path):
    return board(tmp_path)


def asked(machine, **changes):
    """Exit status, document and {name: check} of doctor."""
    done = machine.device("doctor", "--json", **changes)
    assert done.stderr == ""
    document = json.loads(done.stdout)
    return done.returncode, document, {check["name"]: check for check in document["checks"]}


def shadow(machine, tmp_path, name, text):
    """What `asked` takes so that a broken module stands before the real one."""
    folder = tmp_path / "shadow" / name
    folder.mkdir(parents=True)
    (folder / "__init__.py").write_text(text)
    return {"PYTHONPATH": f"{folder.parent}{os.pathsep}{machine.environment['PYTHONPATH']}"}


@pytest.mark.parametrize("version", VERSIONS)
def test_a_whole_board_is_ready_and_marked_emulated(version, tmp_path):
    made = board(tmp_path, tensorrt=version)
    status, document, checks = asked(made)
    assert (status, document["ok"], document["emulated"]) == (0, True, True)
    assert document["can"]["build"]
    assert document["can"]["profile_gpu"]
    assert [check["name"] for check in document["checks"]] == [name for name, _ in CHECKS]
    assert not [check for check in document["checks"] if check["status"] == "missing"]
    assert checks["TensorRT"]["found"].startswith(version)
    assert document["board"]["l4t"] in checks["board"]["found"]
    assert "driver" in checks["CUDA"]["found"]


def test_the_table_says_emulated_first_and_what_to_do_last(made):
    done = made.device("doctor")
    assert (done.stderr, done.returncode) == ("", 0)
    lines = done.stdout.splitlines()
    assert lines[0].startswith("EMULATED")
    assert "Jetson Nano (p3448-0000), L4T 32.7.1, JetPack 4.6.1" in lines[2]
    assert lines[-2:] == ["PASS", f"next: {sys.executable} -m edgeshrink_device build BUNDLE"]


def test_the_meter_is_named_with_its_rails_and_why_it_was_taken(made):
    _, document, checks = asked(made)
    assert document["can"]["energy"] is True
    assert checks["power meter"]["found"].startswith("ina3221: POM_5V_IN, the 5 V input of the board")
    assert "first source that works here" in checks["power meter"]["found"]


def test_a_board_without_a_sensor_is_ready_but_measures_no_energy(tmp_path):
    status, document, checks = asked(board(tmp_path, kind="jetson-nano-2gb"))
    assert (status, document["can"]["energy"]) == (0, False)
    assert checks["power meter"]["status"] == "warning"
    assert (
        "no power sensor" in checks["power meter"]["found"] or "no INA3221" in checks["power meter"]["found"]
    )


def test_mode_and_clocks_come_with_the_commands_that_change_them(made):
    sysfs.power_modes(made.root, {0: "MAXN", 1: "5W"}, 1)
    _, _, checks = asked(made)
    assert (checks["power mode"]["status"], checks["power mode"]["mend"]) == ("warning", "sudo nvpmodel -m 0")
    assert "the power mode is 1 (5W), not MAXN" in checks["power mode"]["found"]
    assert checks["clocks"]["mend"] == "sudo jetson_clocks"
    assert (
        "the clocks follow the load (again after the power mode is changed); GPU" in checks["clocks"]["found"]
    )
    assert "GPU 76.8 to 921.6 MHz" in checks["clocks"]["found"]


@pytest.mark.parametrize("inside", [True, False])
def test_what_only_a_container_lacks_is_mounted_in_a_container_alone(made, inside):
    for path in ("etc/nv_tegra_release", "var/lib/nvpmodel/status"):
        (made.root / path).unlink()
        if inside:
            sysfs.write(made.root, "/.dockerenv", "")
    _, _, checks = asked(made)
    assert "its L4T release is not known" in checks["board"]["found"]
    for name, path in (("board", "/etc/nv_tegra_release"), ("power mode", "/var/lib/nvpmodel/status")):
        assert checks[name]["status"] == "warning"
        assert checks[name]["mend"] == (f"docker run -v {path}:{path}:ro ..." if inside else "")


def test_clocks_that_are_locked_need_nothing(made):
    sysfs.gpu_clock(made.root, 921.6, 921.6, 921.6)
    sysfs.cpu_clocks(made.root, 1479, 1479, 1479)
    _, _, checks = asked(made)
    assert (checks["clocks"]["status"], checks["clocks"]["mend"]) == ("ok", "")
    assert "GPU 921.6 MHz; CPU 1479 MHz" in checks["clocks"]["found"]


def test_clocks_of_which_only_some_are_told_are_not_called_locked(made):
    sysfs.cpu_clocks(made.root, 1479, 1479, 1479)
    shutil.rmtree(str(made.root / "sys/class/devfreq"))
    _, _, checks = asked(made)
    assert checks["clocks"]["status"] == "warning"
    assert checks["clocks"]["found"] == "the system tells no clock limits of the GPU"


def test_a_power_mode_of_which_nothing_says_whether_it_is_the_highest_is_no_ok(made):
    sysfs.write(made.root, "/etc/nvpmodel.conf", "")
    _, _, checks = asked(made)
    assert checks["power mode"]["status"] == "warning"
    assert "/etc/nvpmodel.conf does not tell which is the highest" in checks["power mode"]["found"]


def test_without_the_python_module_trtexec_takes_its_place(tmp_path):
    status, document, checks = asked(board(tmp_path, tensorrt=None))
    assert (status, document["can"]["build"], document["can"]["profile_gpu"]) == (0, True, True)
    assert checks["TensorRT"]["status"] == "warning"
    assert "trtexec takes its place" in checks["TensorRT"]["found"]


def test_without_both_it_is_not_ready_and_says_what_to_install(tmp_path):
    made = board(tmp_path, tensorrt=None, programs=["tegrastats"])
    status, document, checks = asked(made)
    assert (status, document["ok"], document["can"]["build"]) == (1, False, False)
    assert (checks["TensorRT"]["status"], checks["trtexec"]["status"]) == ("missing", "missing")
    assert checks["TensorRT"]["mend"]
    table = made.device("doctor").stdout.splitlines()
    assert table[-1] == "FAIL: this board cannot build and profile; missing: TensorRT, trtexec"


def test_a_library_that_tensorrt_misses_is_named(made, tmp_path):
    _, document, checks = asked(made, **shadow(made, tmp_path, "tensorrt", MISSING_LIBRARY))
    assert checks["TensorRT"]["status"] == "missing"
    assert "libnvinfer.so.8 is missing" in checks["TensorRT"]["found"]
    assert checks["TensorRT"]["mend"].startswith("sudo apt-get install --reinstall tensorrt")
    assert document["can"]["build"]  # by trtexec


def test_a_numpy_for_another_processor_is_told_from_one_that_is_not_there(made, tmp_path):
    status, document, checks = asked(made, **shadow(made, tmp_path, "numpy", ILLEGAL))
    assert (status, document["can"]["profile_gpu"]) == (1, False)
    assert checks["numpy"]["status"] == "missing"
    assert "illegal instruction" in checks["numpy"]["found"]
    assert checks["numpy"]["mend"] == "export OPENBLAS_CORETYPE=ARMV8"


@pytest.mark.parametrize(
    ("module", "text"),
    [
        ("tensorrt", "raise RuntimeError('broken\\ninside')"),
        ("tensorrt", "import os; os.abort()"),
        ("tensorrt", "print('x'); raise SystemExit(3)"),
        ("numpy", "1/0"),
        ("onnxruntime", "import os; os.abort()"),
    ],
)
def test_no_broken_module_ends_it(module, text, made, tmp_path):
    _, _, checks = asked(made, **shadow(made, tmp_path, module, text))
    name = {"numpy": "numpy", "tensorrt": "TensorRT", "onnxruntime": "ONNX Runtime"}[module]
    assert checks[name]["status"] in ("missing", "not needed")
    assert "Traceback" not in checks[name]["found"]


@pytest.mark.parametrize(("pycuda", "works"), [({}, True), ({"driver": "import libcurand_10"}, False)])
def test_pycuda_counts_where_it_can_be_imported(pycuda, works, tmp_path):
    """Without libcudart it alone times; one built for another CUDA is found and cannot be imported."""
    made = board(tmp_path, tensorrt="10.3", cudart=False, pycuda=True, programs=["tegrastats"])
    changes = shadow(made, tmp_path, "pycuda", "") if pycuda else {}
    for name, text in pycuda.items():
        (tmp_path / "shadow" / "pycuda" / f"{name}.py").write_text(text)
    _, document, checks = asked(made, **changes)
    assert document["can"]["profile_gpu"] is works
    assert ("pycuda, which cannot be imported" in checks["optional"]["found"]) is not works


def test_a_driver_that_does_not_tell_its_version_is_not_called_0(made):
    _, _, checks = asked(made, EMULATED_DRIVER_VERSION=0)
    assert "driver not known" in checks["CUDA"]["found"]


def test_a_gpu_that_does_not_answer_is_told_with_what_lets_it(tmp_path):
    status, document, checks = asked(board(tmp_path, tensorrt=None), EMULATED_NO_DEVICE=1)
    assert (status, document["can"]["build"]) == (1, False)
    assert checks["CUDA"]["status"] == "missing"
    assert "finds no GPU" in checks["CUDA"]["found"]
    assert "usermod -aG video" in checks["CUDA"]["mend"]


def test_a_libcudart_that_does_not_fit_leaves_timing_to_trtexec(made):
    _, document, checks = asked(made, EMULATED_NO_DEVICE=1)
    assert checks["CUDA"]["status"] == "warning"
    assert document["can"]["profile_gpu"]


def test_a_container_with_base_mounts_alone_is_told_how_to_get_all(tmp_path):
    made = board(tmp_path, tensorrt=None, cudart=False, programs=[])
    sysfs.write(made.root, "/.dockerenv", "")
    sysfs.write(made.root, f"/{LIBRARIES}/tegra/libcuda.so.1.1", "")
    _, _, checks = asked(made)
    assert "only the base files of the host are mounted" in checks["container"]["found"]
    for name in ("container", "TensorRT"):
        assert "-e NVIDIA_REQUIRE_JETPACK=csv-mounts=all" in checks[name]["mend"]
    assert "-v /usr/bin/tegrastats" in checks["tegrastats"]["mend"]


def test_a_container_without_the_driver_is_told_to_take_the_runtime(tmp_path):
    made = board(tmp_path, tensorrt=None, cudart=False, programs=[])
    sysfs.write(made.root, "/.dockerenv", "")
    _, _, checks = asked(made)
    assert checks["container"]["mend"] == "docker run --runtime nvidia ..."


def test_a_container_that_has_all_needs_nothing(made):
    sysfs.write(made.root, "/.dockerenv", "")
    sysfs.write(made.root, f"/{LIBRARIES}/tegra/libcuda.so.1.1", "")
    sysfs.write(made.root, f"/{LIBRARIES}/libnvinfer.so.8.2.1", "")
    assert asked(made)[2]["container"]["status"] == "ok"


def test_little_memory_and_swap_in_use_are_warnings(made):
    sysfs.write(
        made.root,
        "/proc/meminfo",
        "MemTotal: 4059136 kB\nMemAvailable: 400000 kB\nSwapTotal: 2030544 kB\nSwapFree: 1000000 kB",
    )
    _, _, checks = asked(made)
    assert checks["memory"]["mend"] == "sudo systemctl isolate multi-user.target"
    assert "1006 of 1982 MB used" in checks["swap"]["found"]


def test_a_small_board_without_swap_is_told_how_to_make_some(made):
    sysfs.write(
        made.root,
        "/proc/meminfo",
        "MemTotal: 4059136 kB\nMemAvailable: 3000000 kB\nSwapTotal: 0 kB\nSwapFree: 0 kB",
    )
    assert "mkswap" in asked(made)[2]["swap"]["mend"]


def test_what_the_system_does_not_tell_is_no_fault(tmp_path, monkeypatch):
    monkeypatch.setenv(sysroot.VARIABLE, str(tmp_path))
    checks, can, _, emulated = examine()
    assert emulated
    assert {check.name: check for check in checks}["memory"].status == "warning"
    assert not can["build"]


def test_a_pc_is_ready_where_it_can_profile_on_its_cpu(capsys):
    done = run(sys.executable, "-m", "edgeshrink_device", "doctor")
    assert (done.stderr, done.returncode) == ("", 0)
    lines = done.stdout.splitlines()
    assert lines[0].startswith("not needed  board         no Jetson: ")
    assert lines[-2:] == ["PASS", f"next: {sys.executable} -m edgeshrink_device profile BUNDLE"]
    assert "EMULATED" not in done.stdout


def test_a_terminal_sees_what_is_looked_at_until_it_is_done(made):
    leader, follower = pty.openpty()
    words = [sys.executable, "-m", "edgeshrink_device", "doctor", "--json"]
    done = subprocess.run(words, stdout=subprocess.PIPE, stderr=follower, env=made.environment, timeout=60)
    os.close(follower)
    drawn = os.read(leader, 1 << 16).decode()
    os.close(leader)
    assert json.loads(done.stdout)["ok"]
    assert "looking at TensorRT" in drawn
    assert drawn.endswith("\r\x1b[K")


def test_nothing_heavy_is_loaded_into_its_own_process(made):
    assert made.run("-c", HEAVY).stderr == "[]\n"
