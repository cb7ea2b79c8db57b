"""`edgeshrink build` is the device package's own."""

from __future__ import annotations

import sys

import pytest


@pytest.fixture
def no_tensorrt(monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorrt", None)
    monkeypatch.setenv("PATH", "/nowhere")


@pytest.mark.usefixtures("no_tensorrt")
def test_without_tensorrt_it_says_where_engines_are_built(run, bundle):
    result = run("build", bundle)
    assert result.status == 1
    assert "no TensorRT" in result.err
    assert "Traceback" not in result.err


def test_a_bundle_that_is_not_there_is_a_wrong_call(run, tmp_path):
    result = run("build", tmp_path / "none.edge")
    assert (result.status, result.out) == (2, "")
    assert result.err == f"error: {tmp_path}/none.edge: no such file or folder.\n"


def test_it_says_that_this_machine_is_no_jetson(run, bundle):
    result = run("build", bundle, "--device", "jetson")
    assert result.status == 2
    assert "this machine is no Jetson" in result.err


def test_its_help_has_the_name_it_was_called_by(run):
    assert run("build", "--help").out.startswith("usage: edgeshrink build")


def test_debug_may_stand_before_the_command(run, tmp_path):
    assert "Traceback" in run("--debug", "build", tmp_path / "none.edge").err
