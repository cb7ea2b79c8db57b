"""What a user installs holds what the commands need."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import edgeshrink

ROOT = Path(__file__).parents[1]


def test_every_public_name_can_be_imported():
    for name in edgeshrink.__all__:
        assert getattr(edgeshrink, name) is not None


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no_such_thing"):
        _ = edgeshrink.no_such_thing


def test_every_package_folder_is_listed_in_pyproject():
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    for folder in {path.parent for path in (ROOT / "edgeshrink").rglob("*.py")}:
        assert f'"{".".join(folder.relative_to(ROOT).parts)}"' in text
    for folder in {path.parent for path in (ROOT / "deploy" / "edgeshrink_device").rglob("*.py")}:
        assert f'"{".".join(folder.relative_to(ROOT / "deploy").parts)}"' in text


@pytest.mark.slow
def test_the_wheel_holds_both_packages_profiles_and_the_demo(tmp_path):
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--outdir", str(tmp_path), str(ROOT)],
        check=True,
        capture_output=True,
        env={**os.environ, "TMPDIR": str(tmp_path)},
    )
    (wheel,) = tmp_path.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {
        "edgeshrink/cli/__init__.py",
        "edgeshrink/profiles/jetson-nano.toml",
        "edgeshrink/zoo/assets/digits.pt",
        "edgeshrink_device/runners/onnxruntime_cpu.py",
    } <= names
    assert not [name for name in names if name.startswith(("tests/", "deploy/"))]
