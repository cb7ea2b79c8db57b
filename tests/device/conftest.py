"""Boards, and the boards' Python, for all tests of the device package."""

import os
import sys
from pathlib import Path

import pytest

from tests.emulated_jetson.board import compile_libcudart

from .emulated_helpers import Cudart
from .engine_helpers import boards, write_bundle
from .processes import python36, run

WANTED = Path(__file__).parent / "requirements-python36.txt"

if sys.prefix != sys.base_prefix:
    # Hints name this Python as it is typed; that is its whole path, whether or not its environment is active.
    own = str(Path(sys.executable).parent)
    os.environ["PATH"] = os.pathsep.join(each for each in os.environ["PATH"].split(os.pathsep) if each != own)


@pytest.fixture
def on_board(tmp_path, monkeypatch):
    """A function that puts this process on a board; it takes a version of TensorRT and what `board` takes."""
    yield from boards(tmp_path, monkeypatch)


@pytest.fixture
def model(on_board, tmp_path):
    """The path of a bundle's model; this process is on a Nano with TensorRT 8.2."""
    on_board("8.2")
    return str(write_bundle(tmp_path / "net.edge") / "model.onnx")


@pytest.fixture
def cudart(monkeypatch):
    """The stand-in of libcudart, whose memory the stand-ins of TensorRT take."""
    monkeypatch.setenv("EMULATED_LIBCUDART", str(compile_libcudart()))
    return Cudart(compile_libcudart())


@pytest.fixture(scope="session")
def python_of_the_boards(tmp_path_factory):
    """A bare board's Python 3.6 with the last packages for it; pip 21.3.1 is the last that finds them."""
    folder = tmp_path_factory.mktemp("python36")
    assert run(python36(), "-m", "venv", folder).returncode == 0
    own = folder / "bin" / "python"
    for wanted in (["pip==21.3.1"], ["--requirement", WANTED]):
        if run(own, "-m", "pip", "install", "--quiet", *wanted).returncode:
            pytest.skip(f"the package index does not give {wanted[-1]}")
    return own
