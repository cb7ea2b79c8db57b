"""The boards' Python with the packages of its time, made once for the tests that start it."""

from pathlib import Path

import pytest

from .processes import python36, run

WANTED = Path(__file__).parent / "requirements-python36.txt"


@pytest.fixture(scope="session")
def python_of_the_boards(tmp_path_factory):
    """Python 3.6 with the last numpy and ONNX Runtime for it; pip 21.3.1 is the last that finds them."""
    folder = tmp_path_factory.mktemp("python36")
    assert run(python36(), "-m", "venv", folder).returncode == 0
    own = folder / "bin" / "python"
    for wanted in (["pip==21.3.1"], ["--requirement", WANTED]):
        if run(own, "-m", "pip", "install", "--quiet", *wanted).returncode:
            pytest.skip(f"the package index does not give {wanted[-1]}")
    return own
