from __future__ import annotations

import subprocess
import sys

import safetensors.torch
import torch

from edgeshrink.machine import this_machine


def test_help_needs_neither_torch_nor_onnx():
    code = (
        "import sys, edgeshrink.cli; edgeshrink.cli.main(['--help']);"
        "heavy = {'torch', 'onnx', 'onnx_ir', 'onnxruntime', 'numpy', 'rich'} & set(sys.modules);"
        "sys.exit(f'imported {heavy}' if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "inspect" in done.stdout


def test_a_misspelt_command_is_corrected(run):
    result = run("exprot")
    assert result.status == 2
    assert "Did you mean 'export'?" in result.err


def test_an_unknown_option_is_a_usage_error(run):
    assert run("export", "--nope").status == 2


def test_a_fault_of_ours_shows_no_traceback_unless_asked(run, monkeypatch):
    def fail(*_):
        raise RuntimeError("inner fault")

    monkeypatch.setattr("edgeshrink.devices.devices", fail)
    result = run("devices")
    assert result.status == 1
    assert "inner fault" in result.err
    assert "--debug" in result.err
    assert "Traceback" not in result.err


def test_devices_lists_the_nano_and_this_machine(run):
    document = run("devices", "--json").json
    assert "jetson-nano" in [device["name"] for device in document["devices"]]
    assert document["this_machine"] == this_machine()
    assert "jetson-nano" in run("devices").out


def test_profile_says_that_this_machine_is_no_jetson(run, bundle):
    result = run("profile", bundle, "--device", "jetson")
    assert result.status == 2
    assert "this machine is no Jetson" in result.err
    assert "--device cpu" in result.err


def test_debug_may_stand_before_the_command_too(run):
    assert run("--debug", "devices", "--json").status == 0


def test_names_in_a_file_cannot_steer_the_terminal(run, tmp_path):
    safetensors.torch.save_file({"a\x1b[2Jb.weight": torch.ones(2, 2)}, tmp_path / "net.pt")
    told = run("inspect", tmp_path / "net.pt")
    assert "\x1b" not in told.out
    assert r"a\x1b[2Jb" in told.out
    missing = run("inspect", tmp_path / "no\x1b[2Jsuch.pt")
    assert "\x1b[2J" not in missing.err
