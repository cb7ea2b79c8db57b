"""Modules that are there and raise when they are imported are passed: what can take their place does."""

import json
import os

import pytest

from tests.emulated_jetson.board import board

from .engine_helpers import write_bundle
from .inference_helpers import QUICK

RAISES = {  # what each raises on a board where something was copied or updated by hand
    "OSError": "raise OSError('libnvinfer.so.8: cannot open shared object file')",
    "AttributeError": "raise AttributeError(\"module 'numpy' has no attribute 'bool'\")",
    "RuntimeError": "raise RuntimeError('CUDA driver version is insufficient')",
    "ImportError": "raise ImportError('libnvinfer.so.8: cannot open shared object file')",
    "SyntaxError": "def",
}


def put(made, folder, name, text):
    """Put a module that is found before all others on a board."""
    path = folder / (name.replace(".", "/") + ".py")
    path.parent.mkdir(parents=True)
    if "." in name:
        (path.parent / "__init__.py").write_text("")
    path.write_text(text + "\n")
    made.environment["PYTHONPATH"] = os.pathsep.join([str(folder), made.environment["PYTHONPATH"]])


@pytest.mark.parametrize("kind", sorted(RAISES))
def test_where_tensorrts_module_raises_trtexec_builds(tmp_path, kind):
    made = board(tmp_path, tensorrt="8.2", cudart=False)
    put(made, tmp_path / "broken", "tensorrt", RAISES[kind])
    done = made.device("build", write_bundle(tmp_path / "net.edge"), "--json")
    assert (done.stderr, done.returncode) == ("", 0)
    assert '"built_with": "trtexec"' in done.stdout


@pytest.mark.parametrize("kind", sorted(RAISES))
def test_without_trtexec_it_says_what_the_module_says(tmp_path, kind):
    made = board(tmp_path, tensorrt="8.2", cudart=False, programs=())
    put(made, tmp_path / "broken", "tensorrt", RAISES[kind])
    done = made.device("build", write_bundle(tmp_path / "net.edge"))
    assert done.returncode == 1
    assert "cannot load TensorRT: " in done.stderr
    assert "and there is no trtexec" in done.stderr
    assert "fault in edgeshrink" not in done.stderr
    doctor = made.device("doctor", "--json")
    assert "Traceback" not in doctor.stderr


@pytest.mark.parametrize("kind", sorted(RAISES))
def test_where_pycuda_raises_libcudart_is_called(tmp_path, kind):
    made = board(tmp_path, tensorrt="8.2")
    put(made, tmp_path / "broken", "pycuda.driver", RAISES[kind])
    done = made.device("profile", write_bundle(tmp_path / "net.edge"), *QUICK, "--json")
    assert (done.stderr, done.returncode) == ("", 0)
    (document,) = json.loads(done.stdout)["profiles"]
    assert "cudart" in document["device"]["through"]
