"""The command `build`: table, JSON, exit status, progress; and under the boards' Python 3.6."""

import json
import os
import pty
import shlex
import subprocess
import sys

import pytest

from tests.emulated_jetson.board import board

from .emulated_helpers import VERSIONS
from .engine_helpers import files, refused_model, write_bundle

OPEN = {"inputs": [{"name": "x", "min": [1, 3, 8, 8], "opt": [2, 3, 8, 8], "max": [4, 3, 8, 8]}]}
HEAVY = """
import sys
from edgeshrink_device.cli import main
assert main(["build", "--help"]) == 0
print([name for name in ("numpy", "tensorrt", "mmap") if name in sys.modules], file=sys.stderr)
"""


MODULE = f"{sys.executable} -m edgeshrink_device"


@pytest.fixture
def made(tmp_path):
    return board(tmp_path, tensorrt="8.2", cudart=False)


@pytest.mark.parametrize("version", VERSIONS)
def test_the_table_says_emulated_what_was_built_and_what_to_do_next(version, tmp_path):
    bundle = write_bundle(tmp_path / "net.edge", baseline=True)
    done = board(tmp_path, tensorrt=version, cudart=False).device("build", bundle)
    assert (done.stderr, done.returncode) == ("", 0)
    lines = done.stdout.splitlines()
    built = "typed" if version == "11.4" else "fp16"
    assert lines[0].split()[:4] == ["engine", "size", "precision", "layers"]
    assert lines[0].endswith("built in  memory to build  memory to run")
    assert lines[1].startswith(f"model-{built}-")
    assert " EMULATED " in lines[1]
    assert built in lines[1].split()
    assert any(line.startswith(f"built {bundle}/engines/model-{built}-") for line in lines)
    assert lines[-2:] == ["PASS", f"next: {MODULE} profile {bundle} --device jetson"]
    assert files(bundle / "engines") == [f"model-{built}.engine", f"model-{built}.json", "timing.cache"]


def test_the_second_call_says_that_it_is_there(made, tmp_path):
    bundle = write_bundle(tmp_path / "net.edge")
    made.device("build", bundle)
    assert f"found {bundle}/engines/model-fp16-" in made.device("build", bundle).stdout
    assert "it was asked for" in made.device("build", bundle, "--force").stdout


def test_the_next_command_measures_the_engines_just_built(made, tmp_path):
    bundle, kept = write_bundle(tmp_path / "net.edge"), tmp_path / "kept here"
    options = ["--precision", "fp32", "--engines", kept, "--workspace", "64"]
    said = made.device("build", bundle, *options).stdout.splitlines()[-1]
    words = shlex.split(said)
    assert words[:4] == ["next:", *MODULE.split()]
    assert words[4:] == ["profile", *map(str, [bundle, "--device", "jetson", *options])]


def test_the_device_may_be_named_as_for_profile(made, tmp_path):
    bundle = write_bundle(tmp_path / "net.edge")
    assert made.device("build", bundle, "--device", "jetson").returncode == 0
    done = made.device("build", bundle, "--device", "cpu")
    assert done.returncode == 2
    assert done.stderr.startswith("error: --device cpu runs models as they are: no engine is built for it.")
    done = made.device("build", bundle, "--device", "jetson", EDGESHRINK_SYSROOT=tmp_path / "nowhere")
    assert done.returncode == 2
    assert done.stderr.startswith("error: this machine is no Jetson.")


def test_json_is_one_document_and_nothing_else(made, tmp_path):
    bundle = write_bundle(tmp_path / "net.edge", baseline=True)
    done = made.device("build", bundle, "--baseline", "--json", "--workspace", 64, "--precision", "fp32")
    assert (done.stderr, done.returncode) == ("", 0)
    document = json.loads(done.stdout)
    assert (document["ok"], document["emulated"], document["refused"]) == (True, True, [])
    assert [engine["model"] for engine in document["engines"]] == ["baseline.onnx", "model.onnx"]
    for engine in document["engines"]:
        assert engine["emulated"] is True
        assert engine["built"] is True
        assert engine["precision"] == "fp32"
        assert engine["build"]["workspace_mib"] == 64
        assert engine["build"]["workspace_asked"] is True
        assert engine["key"]["gpu"].endswith("p3448-0000")
        assert engine["key"]["sm"] == "5.3"
        assert engine["engine"]["bytes"] > 0


def test_a_refused_model_sets_the_exit_status_and_the_others_are_built(made, tmp_path):
    good, bad = write_bundle(tmp_path / "good.edge"), write_bundle(tmp_path / "bad.edge", refused_model())
    done = made.device("build", bad, good)
    assert (done.stderr, done.returncode) == ("", 1)
    lines = done.stdout.splitlines()
    assert lines[0].startswith(f"FAIL EMULATED {bad}/model.onnx: the parser refuses it (2 errors)")
    assert "node 'a_node' (Flub, number 0)" in lines[1]
    assert "node 'y_node' (Blarg, module head.0, number 3)" in lines[2]
    assert lines[-1] == "FAIL: TensorRT refuses 1 of the models"
    assert "model-fp16-" in done.stdout
    document = json.loads(made.device("build", bad, "--json").stdout)
    assert (document["ok"], document["emulated"], document["engines"]) == (False, True, [])
    assert [error["operator"] for error in document["refused"][0]["errors"]] == ["Flub", "Blarg"]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["nothing.edge"], "no such file or folder"),
        (["{}", "--precision", "int8"], "INT8 is not to be had on this chip: SM 5.3 has FP32 and FP16"),
        (["{}", "--precision", "bf16"], "unknown precision 'bf16'"),
        (["{}", "--workspace", "0"], "a workspace of 0 MiB is not to be had"),
        (["{}", "--workspace", "much"], "invalid int value"),
        (["{}", "--engines", "/proc/none"], "engines cannot be kept there"),
        (["{}", "--samples", "none.npz"], "none.npz: no such file"),
        ([], "required"),
    ],
)
def test_wrong_calls_have_status_2_and_one_clear_message(made, tmp_path, words, told):
    bundle = write_bundle(tmp_path / "net.edge")
    done = made.device("build", *(word.format(bundle) for word in words))
    assert (done.stdout, done.returncode) == ("", 2)
    assert told in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(("sm", "auto"), [("5.3", "fp16"), ("6.1", "fp32"), ("7.2", "fp16")])
def test_fp16_is_for_chips_that_are_fast_at_it(sm, auto, tmp_path):
    made = board(tmp_path, tensorrt="8.2", EMULATED_GPU_SM=sm)
    bundle = write_bundle(tmp_path / "net.edge")
    (engine,) = json.loads(made.device("build", bundle, "--json").stdout)["engines"]
    assert (engine["precision"], engine["key"]["sm"]) == (auto, sm)
    asked = made.device("build", bundle, "--precision", "fp16")
    assert asked.returncode == (0 if auto == "fp16" else 2)
    if auto == "fp32":
        assert "FP16 is not fast on this chip: SM 6.1 has FP32 and INT8" in asked.stderr
        assert engine["warnings"] == ["built in FP32: SM 6.1 has FP32 and INT8"]


def test_progress_shows_on_a_terminal_and_is_cleared(tmp_path):
    made = board(tmp_path, tensorrt="10.3", cudart=False, EMULATED_BUILD_SECONDS=3)
    bundle = write_bundle(tmp_path / "net.edge")
    ours, theirs = pty.openpty()
    words = [sys.executable, "-m", "edgeshrink_device", "build", str(bundle)]
    process = subprocess.Popen(words, env=made.environment, stdout=subprocess.DEVNULL, stderr=theirs)
    os.close(theirs)
    text = b""
    while True:
        try:
            part = os.read(ours, 4096)
        except OSError:  # Linux's way to say that the other end is closed
            break
        if not part:
            break
        text += part
    os.close(ours)
    assert process.wait() == 0
    drawn = text.decode().split("\r")
    assert any("building model.onnx in FP16: 0:0" in line and "/4" in line for line in drawn)
    assert drawn[-1] == ""
    assert drawn[-2].strip() == ""


def test_the_help_loads_nothing_heavy(made):
    done = made.run("-c", HEAVY)
    assert done.stderr == "[]\n"
    assert "--workspace" in done.stdout
