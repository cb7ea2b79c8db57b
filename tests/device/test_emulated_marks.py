"""What a stand-in gives is marked wherever the stand-in was found, a folder for its board or none."""

import pytest
from edgeshrink_device import sysroot
from edgeshrink_device.engines import trtexec
from edgeshrink_device.power.tegrastats import Tegrastats

from tests.emulated_jetson.board import write_program


@pytest.fixture
def path(tmp_path, monkeypatch):
    """A folder in PATH, on a machine that no folder stands in for."""
    monkeypatch.delenv(sysroot.VARIABLE, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    return tmp_path


def test_a_trtexec_in_path_that_is_a_stand_in_is_known_as_one(path):
    write_program(path / "trtexec", "trtexec")
    assert trtexec.find()[:2] == (str(path / "trtexec"), "8.2.1")
    assert trtexec.find().emulated


def test_a_tegrastats_in_path_that_is_a_stand_in_is_known_as_one(path):
    write_program(path / "tegrastats", "tegrastats")
    assert Tegrastats().emulated


def test_any_other_program_is_itself(path):
    (path / "tegrastats").write_text("#!/bin/sh\n")
    assert not Tegrastats().emulated
    assert not sysroot.is_stand_in(str(path / "none"))
    assert not sysroot.is_stand_in(None)
