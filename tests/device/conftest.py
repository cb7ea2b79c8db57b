"""The boards' Python with the packages of its time, made once for all tests that run under it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from .test_python36 import python36

LAST = ("pip==21.3.1", "numpy==1.19.5", "onnxruntime==1.10.0")


@pytest.fixture(scope="session")
def python_of_the_boards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Python 3.6 with the last numpy and ONNX Runtime for it; pip 21.3.1 is the last that finds them."""
    python = python36() or pytest.skip("no Python 3.6 found (EDGESHRINK_PYTHON36, PATH, pyenv)")
    folder = tmp_path_factory.mktemp("python36")
    subprocess.run([python, "-m", "venv", folder], check=True)
    own = folder / "bin" / "python"
    for wanted in LAST:
        if subprocess.run([own, "-m", "pip", "install", "--quiet", wanted], capture_output=True).returncode:
            pytest.skip(f"the package index does not give {wanted}")
    return own
