"""What trtexec says of a build counts, whatever its exit status: PASSED, or there is no engine."""

import onnx
import pytest
from edgeshrink_device import InputError
from edgeshrink_device.engines.trtexec import quoted

from tests.emulated_jetson.board import board

from .emulated_helpers import convolution
from .engine_helpers import files, write_bundle
from .inference_helpers import QUICK

PROGRAM = "usr/src/tensorrt/bin/trtexec"
AROUND = """#!/bin/sh
# edgeshrink_emulated
case "$*" in *--help*) exec {real} "$@" ;; esac
{after}
exit {status}
"""
CASES = {  # what it does: (a shell's words after or around the real program, its exit status, what is told)
    "says FAILED": ("{real} $* | sed 's/PASSED/FAILED/'", 0, "trtexec said FAILED"),
    "says nothing": ("{real} $* > /dev/null", 0, "trtexec said neither PASSED nor FAILED"),
    "fails all the same": ("{real} $*", 3, "trtexec said PASSED and ended with exit status 3"),
    "fails with an error": (
        "{real} $* | sed 's/PASSED/FAILED/'; echo '[01/02/2024-10:00:00] [E] Out of luck'",
        0,
        "Out of luck",
    ),
    "has an error and no layers": (
        "{real} $*; for word; do case $word in --exportLayerInfo=*) : > ${{word#*=}} ;; esac; done;"
        " echo '[01/02/2024-10:00:00] [E] Saving engine to file failed.'",
        0,
        "Saving engine to file failed",
    ),
}


def surround(made, after, status):
    """Put a script around a board's trtexec."""
    path = made.root / PROGRAM
    real = path.with_name("trtexec.real")
    path.rename(real)
    path.write_text(AROUND.format(real=real, after=after.format(real=real), status=status))
    path.chmod(0o755)


@pytest.mark.parametrize("case", sorted(CASES))
def test_a_trtexec_that_does_not_pass_leaves_no_engine(tmp_path, case):
    after, status, told = CASES[case]
    made = board(tmp_path, tensorrt=None, cudart=False)
    surround(made, after, status)
    bundle = write_bundle(tmp_path / "net.edge")
    done = made.device("build", bundle)
    assert done.returncode == 1
    assert "FAIL EMULATED" in done.stdout
    assert told in done.stdout
    assert [name for name in files(bundle / "engines") if not name.startswith("timing")] == []


def test_a_file_that_holds_half_of_the_engine_is_none(tmp_path):
    """From TensorRT 10 on trtexec says how large an engine is."""
    made = board(tmp_path, tensorrt=None, cudart=False, EMULATED_TENSORRT="10.3")
    cut = "for word; do case $word in --saveEngine=*) truncate -s 300 ${{word#*=}} ;; esac; done"
    surround(made, "{real} $*; " + cut, 0)
    bundle = write_bundle(tmp_path / "net.edge")
    done = made.device("build", bundle)
    assert done.returncode == 1
    assert "trtexec made an engine of " in done.stdout
    assert "its file has 0.000286102 MiB" in done.stdout
    assert [name for name in files(bundle / "engines") if not name.startswith("timing")] == []


def test_a_warning_and_an_error_that_it_got_over_are_no_failure(tmp_path):
    made = board(tmp_path, tensorrt=None, cudart=False)
    surround(made, "echo '[01/02/2024-10:00:00] [E] [TRT] a tactic failed'; {real} $*", 0)
    done = made.device("build", write_bundle(tmp_path / "net.edge"))
    assert (done.returncode, done.stderr) == (0, "")
    assert "PASS" in done.stdout


@pytest.mark.parametrize("name", ["a,b", "a:b'c", "'"])
def test_a_name_that_trtexec_would_read_as_several_is_refused(name):
    with pytest.raises(InputError, match="trtexec cannot be told of the input"):
        quoted(name)


def test_a_profile_of_such_a_model_says_which_input_it_is(tmp_path):
    made = board(tmp_path, tensorrt=None, cudart=False)
    model = onnx.load_from_string(convolution())
    model.graph.input[0].name = model.graph.node[0].input[0] = "a,b"
    bundle = write_bundle(tmp_path / "net.edge", model.SerializeToString())
    (bundle / "samples.npz").unlink()
    done = made.device("profile", bundle, *QUICK)
    assert done.returncode == 2
    assert "trtexec cannot be told of the input 'a,b'" in done.stderr
    assert "TensorRT's Python module" in done.stderr


@pytest.mark.parametrize(("says", "status"), [("FAILED", 0), ("FAILED", 1), ("PASSED", 5)])
def test_an_engine_that_it_does_not_run_is_to_be_built_again_by_name(tmp_path, says, status):
    made = board(tmp_path, tensorrt=None, cudart=False)
    bundle = write_bundle(tmp_path / "net.edge")
    assert made.device("build", bundle).returncode == 0
    surround(made, "{real} $* | sed s/PASSED/" + says + "/", status)
    done = made.device("profile", bundle, *QUICK)
    assert done.returncode == 1
    told = f"exit status {status}" if status else "it FAILED"
    assert "trtexec does not run the engine: " + told in done.stderr
    assert "build {} --force".format(bundle / "model.onnx") in done.stderr
