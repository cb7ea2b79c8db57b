"""A file named in a model's place is called what it is, with what to name instead."""

import json
import sys
import zipfile

import edgeshrink_device
import numpy as np
import pytest
from edgeshrink_device import InputError
from edgeshrink_device.engines.precision import ASKED, require_known
from edgeshrink_device.other_files import require_no_other
from edgeshrink_device.runners import require_runner
from edgeshrink_device.samples import cut
from edgeshrink_device.specs import Spec

from .helpers import write_bundle, write_double, write_null

MANIFEST = {"schema_version": 1, "inputs": [], "passes": [], "sha256": {}}
FILES = [
    ("manifest.json", "the manifest of a bundle", "{bundle}"),
    ("profile-jetson-model.json", "a profile of edgeshrink", "{bundle}"),
    ("samples.npz", "samples", "{bundle}"),
    ("edgeshrink-device.pyz", "this very program", "{bundle}"),
    ("engines/model-fp16-0123.engine", "an engine of TensorRT", "{bundle}"),
    ("engines/model-fp16-0123.json", "the description of an engine", "{bundle}"),
]


@pytest.fixture
def bundle(tmp_path):
    folder = tmp_path / "b.edge"
    write_bundle(folder)
    (folder / "engines").mkdir()
    (folder / "manifest.json").write_text(json.dumps(MANIFEST))
    (folder / "profile-jetson-model.json").write_text(json.dumps({"session": {}, "latency_ms": {}}))
    (folder / "engines" / "model-fp16-0123.engine").write_bytes(b"ptrt")
    described = {"key": {}, "engine": {}, "build": {}}
    (folder / "engines" / "model-fp16-0123.json").write_text(json.dumps(described))
    with (folder / "edgeshrink-device.pyz").open("wb") as file:
        file.write(b"#!/usr/bin/env python3\n")
        with zipfile.ZipFile(file, "w") as archive:
            archive.writestr("edgeshrink_device/cli.py", "")
    return folder


@pytest.mark.parametrize("command", ["build", "profile"])
@pytest.mark.parametrize(("name", "what", "instead"), FILES)
def test_a_part_of_a_bundle_is_named_and_the_bundle_is_to_be_named(
    command, name, what, instead, bundle, capsys
):
    path = bundle / name
    assert edgeshrink_device.main([command, str(path)]) == 2
    wanted = f"error: {path}: {what}, no ONNX model.\nName the bundle: {bundle}\n"
    assert capsys.readouterr().err == wanted


def test_inside_the_bundle_it_is_the_dot(bundle, monkeypatch):
    monkeypatch.chdir(bundle)
    for name in ("samples.npz", "engines/model-fp16-0123.engine"):
        with pytest.raises(InputError) as caught:
            require_no_other(name)
        assert caught.value.hint == "Name the bundle: ."


def test_outside_of_any_bundle_a_model_is_asked_for(tmp_path):
    np.savez(tmp_path / "one.npz", x=np.zeros(3))
    np.save(tmp_path / "one.npy", np.zeros(3))
    for name, what in (("one.npz", "samples"), ("one.npy", "an array of numpy")):
        with pytest.raises(InputError, match=what) as caught:
            require_no_other(str(tmp_path / name))
        assert caught.value.hint == "Name a bundle, or a model file (.onnx)."


@pytest.mark.parametrize("content", [b"\x80\x02}q", b"PK\x03\x04 cut short", None])
def test_a_checkpoint_is_sent_to_edgeshrink(content, tmp_path):
    path = tmp_path / "net.pt"
    if content is None:
        with zipfile.ZipFile(str(path), "w") as archive:
            archive.writestr("net/data.pkl", "")
    else:
        path.write_bytes(content)
    with pytest.raises(InputError, match="a checkpoint, no ONNX model") as caught:
        require_no_other(str(path))
    assert f"where edgeshrink is installed (`edgeshrink export {path}`)" in caught.value.hint


def test_what_may_be_a_model_passes(tmp_path):
    require_no_other(write_double(tmp_path / "m.onnx"))
    require_no_other(write_null(tmp_path / "m.null"))
    for name, text in (("list.json", "[1]"), ("other.json", '{"a": 1}'), ("cut.json", '{"a')):
        (tmp_path / name).write_text(text)
        require_no_other(str(tmp_path / name))


@pytest.mark.parametrize("name", ["gpu", "cuda", "GPU", "trt"])
def test_the_gpu_is_sent_to_the_name_it_has_here(name):
    with pytest.raises(InputError, match=f"unknown device '{name}'") as caught:
        require_runner(name)
    assert "--device tensorrt" in caught.value.hint
    assert "cpu" not in caught.value.hint
    with pytest.raises(InputError) as caught:
        require_runner(name, jetson=True)
    assert caught.value.hint == "This board's GPU is --device jetson."


@pytest.mark.parametrize("name", ["nano", "orin-nx", "agx-xavier", "tx2"])
def test_a_boards_name_without_jetson_is_understood(name):
    with pytest.raises(InputError, match="is what a model is exported for") as caught:
        require_runner(name, jetson=True)
    assert "--device jetson" in caught.value.hint
    with pytest.raises(InputError, match="this machine is no Jetson"):
        require_runner(name)


@pytest.mark.parametrize(
    ("asked", "meant"), [("FP16", "fp16"), ("half", "fp16"), ("Float32", "fp32"), ("int", "int8")]
)
def test_a_precision_by_another_name_is_told_the_one_here(asked, meant):
    with pytest.raises(InputError, match=f"unknown precision '{asked}'") as caught:
        require_known(asked)
    assert f"Did you mean '{meant}'?" in caught.value.hint
    for name in ASKED:
        require_known(name)


def test_too_few_samples_for_the_batch_are_counted():
    x = np.zeros((1, 4), np.float32)
    with pytest.raises(InputError, match="hold 1 of input 'x', which is measured 8 at a time") as caught:
        cut({"x": x}, {}, [Spec("x", (8, 4), "float32")], [])
    assert caught.value.hint == "Give 8 or more."


def test_samples_that_are_not_equally_many_are_counted():
    specs = [Spec("x", (1, 4), "float32"), Spec("z", (2, 4), "float32")]
    four = np.zeros((4, 4), np.float32)
    with pytest.raises(
        InputError, match=r"equally many.*: 4 of 'x' \(1 at a time\), 4 of 'z' \(2 at a time\)"
    ):
        cut({"x": four, "z": four}, {}, specs, [])


def test_a_machine_that_is_no_jetson_is_sent_to_the_board(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("EDGESHRINK_SYSROOT", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setitem(sys.modules, "tensorrt", None)
    write_bundle(tmp_path / "b.edge")
    assert edgeshrink_device.main(["build", str(tmp_path / "b.edge")]) == 1
    told = capsys.readouterr().err
    assert told.startswith(
        "error: this machine is no Jetson, and has no TensorRT.\nCopy the bundle to the board"
    )
