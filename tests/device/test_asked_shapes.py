"""`--shape` measures open inputs at other sizes within their range than opt."""

import json

import edgeshrink_device
import numpy as np
import onnx
import onnx.parser
import pytest
from edgeshrink_device import InputError, profile_models
from edgeshrink_device.asked_shapes import asked_sizes, parse_shapes

from tests.emulated_jetson.board import board

from .emulated_helpers import picture, reference
from .helpers import QUICK, QUICK_WORDS, write_double, write_null
from .inference_helpers import document, profiled

X = {"name": "x", "shape": ["batch", 4], "min": [1, 4], "opt": [3, 4], "max": [8, 4]}
MASK = {"name": "mask", "shape": ["batch", "length"], "min": [1, 2], "opt": [3, 5], "max": [8, 9]}

POOLED = """
<ir_version: 7, opset_import: ["" : 13]>
net (float[N, 3, H, H] x) => (float[N, 3, 1, 1] y) {
  y = GlobalAveragePool(x)
}
"""


def main(*words):
    return edgeshrink_device.main([str(word) for word in words])


def write_manifest(folder, *inputs):
    (folder / "manifest.json").write_text(json.dumps({"inputs": list(inputs)}))
    return str(folder / "model.onnx")


@pytest.fixture
def bundle(tmp_path):
    """Doubles 1 to 8 samples of four numbers, best 3; with six samples."""
    folder = tmp_path / "b.edge"
    folder.mkdir()
    write_manifest(folder, X)
    write_double(folder / "model.onnx", batch="batch")
    x = np.arange(24, dtype=np.float32).reshape(6, 4)
    np.savez(folder / "samples.npz", **{"in/x": x, "out/y": 2 * x})
    return str(folder)


@pytest.fixture
def pooled(tmp_path):
    """Pools 1 to 4 pictures, best 2, of 8 to 16 pixels a side, best 8; with six of 8 pixels."""
    folder = tmp_path / "p.edge"
    folder.mkdir()
    model = onnx.parser.parse_model(POOLED).SerializeToString()
    (folder / "model.onnx").write_bytes(model)
    sizes = {"min": [1, 3, 8, 8], "opt": [2, 3, 8, 8], "max": [4, 3, 16, 16]}
    write_manifest(folder, dict(sizes, name="x", shape=["N", 3, "H", "H"]))
    x = picture(6)
    np.savez(folder / "samples.npz", **{"in/x": x, "out/y": reference(model, x=x)[0]})
    return folder


# The words


def test_sizes_follow_the_last_colon_of_a_word():
    assert parse_shapes(["x:1x3x32x32", "input:0:2"]) == {"x": [1, 3, 32, 32], "input:0": [2]}
    assert parse_shapes(None) == {}


@pytest.mark.parametrize(
    "word", ["x", "x:", ":1x4", "x:1x-4", "x:0x4", "x:1,4", "1x4", "x:1x4x", "x:\u00b2x4", "x:\u0663x4"]
)
def test_a_word_that_is_no_name_with_sizes_is_refused(word):
    with pytest.raises(InputError, match="gives no sizes"):
        parse_shapes([word])


def test_an_input_is_named_once():
    with pytest.raises(InputError, match="names input 'x' twice"):
        parse_shapes(["x:1x4", "x:2x4"])


# Against the manifest


def test_sizes_that_inputs_share_follow_and_others_stay_at_opt(tmp_path):
    model = write_manifest(tmp_path, X, MASK)
    assert asked_sizes(model, {"x": [8, 4]}) == {"x": [8, 4], "mask": [8, 5]}
    assert asked_sizes(model, {"mask": [1, 9]}) == {"x": [1, 4], "mask": [1, 9]}
    assert asked_sizes(model, {}) == {}


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"x": [9, 4]}, "input 'x' is 1x4 to 8x4, and cannot be 9x4"),
        ({"x": [2, 5]}, "input 'x' is 1x4 to 8x4, and cannot be 2x5"),
        ({"x": [2]}, "input 'x' is 1x4 to 8x4, and cannot be 2"),
        ({"y": [2, 4]}, "input 'y' is not open"),
        ({"x": [2, 4], "mask": [3, 5]}, "'batch' is one size, and cannot be both 2 and 3"),
    ],
)
def test_sizes_outside_the_range_are_refused(asked, message, tmp_path):
    with pytest.raises(InputError, match=message):
        asked_sizes(write_manifest(tmp_path, X, MASK), asked)


# On a CPU


@pytest.mark.parametrize(("batch", "checked"), [(1, 6), (2, 6), (4, 4)])
def test_another_batch_is_measured_and_the_samples_are_cut_for_it(batch, checked, bundle):
    told = profile_models([bundle], shapes={"x": [batch, 4]}, **QUICK)[0]
    assert told["model"]["shapes"] == {"x": [batch, 4]}
    assert told["model"]["inputs"][0]["shape"] == [batch, 4]
    assert told["throughput_samples_per_s"] == batch * told["throughput_per_s"]
    assert (told["parity"]["ok"], told["parity"]["samples"]) == (True, checked)
    assert told["session"]["shapes"] == {"x": [batch, 4]}


def test_samples_that_are_too_few_leave_parity_null_with_the_reason(bundle):
    told = profile_models([bundle], shapes={"x": [8, 4]}, **QUICK)[0]
    assert told["model"]["shapes"] == {"x": [8, 4]}
    assert told["parity"] is None
    assert told["parity_reason"].startswith("the samples do not fit the sizes of --shape: ")
    assert told["model"]["fed_with"].startswith("random numbers")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--shape", "x:9x4"], "input 'x' is 1x4 to 8x4, and cannot be 9x4.\nGive sizes within the range"),
        (["--shape", "z:1x4"], "input 'z' is not open.\nOpen are: 'x'."),
        (["--shape", "nonsense"], "'nonsense' gives no sizes.\nGive them as in --shape x:1x3x32x32."),
    ],
)
def test_sizes_that_cannot_be_are_a_wrong_call_and_nothing_is_measured(
    words, message, bundle, capsys, monkeypatch
):
    monkeypatch.setattr("edgeshrink_device.launches.run_launches", None)
    assert main("profile", bundle, *words, *QUICK_WORDS) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert message in captured.err


def test_a_lone_model_takes_what_its_own_sizes_allow(tmp_path):
    model = write_double(tmp_path / "m.onnx", batch="n")
    told = profile_models([model], shapes={"x": [5, 4]}, **QUICK)[0]
    assert told["model"]["shapes"] == {"x": [5, 4]}
    fixed = write_double(tmp_path / "fixed.onnx", batch="2")
    for asked, message in (({"x": [5, 4]}, "is 2x4, and cannot be 5x4"), ({"y": [2, 4]}, "no input 'y'")):
        with pytest.raises(edgeshrink_device.DeviceError, match=message) as caught:
            profile_models([fixed], shapes=asked, **QUICK)
        assert caught.value.exit_status == 2


def test_no_device_passes_over_sizes_in_silence(tmp_path):
    with pytest.raises(edgeshrink_device.DeviceError, match="is 1x4, and cannot be 2x4"):
        profile_models([write_null(tmp_path / "a.null")], device="null", shapes={"x": [2, 4]}, **QUICK)


# Engines


@pytest.mark.parametrize("through", ["8.2", "10.3", "trtexec"])
def test_an_engine_is_measured_anywhere_in_its_range_without_being_built_again(through, pooled, tmp_path):
    options = {"tensorrt": None, "cudart": False} if through == "trtexec" else {"tensorrt": through}
    made, engines = board(tmp_path, **options), pooled / "engines"
    profiled(made, pooled)
    built = {path.name: path.stat().st_mtime for path in engines.glob("*.engine")}
    done = profiled(made, pooled, "--shape", "x:1x3x8x8", "--force")
    assert (done.stderr, done.returncode) == ("", 0)
    told = document(pooled)
    assert told["model"]["shapes"] == {"x": [1, 3, 8, 8]}
    assert told["parity"]["ok"]
    done = profiled(made, pooled, "--shape", "x:4x3x16x16", "--force")
    assert (done.stderr, done.returncode) == ("", 0)
    told = document(pooled)
    assert told["model"]["shapes"] == {"x": [4, 3, 16, 16]}
    assert (told["parity"], told["model"]["batch"]) == (None, 4)
    assert "at x 4x3x16x16" in done.stdout
    assert {path.name: path.stat().st_mtime for path in engines.glob("*.engine")} == built


def test_sizes_are_refused_before_an_engine_is_built(pooled, tmp_path):
    made = board(tmp_path)
    done = profiled(made, pooled, "--shape", "x:5x3x8x8")
    assert (done.stdout, done.returncode) == ("", 2)
    assert "input 'x' is 1x3x8x8 to 4x3x16x16, and cannot be 5x3x8x8" in done.stderr
    manifest = json.loads((pooled / "manifest.json").read_text())
    (pooled / "manifest.json").write_text(json.dumps(dict(manifest, inputs=[])))
    done = profiled(made, pooled, "--shape", "x:1x3x8x8")
    assert (done.stdout, done.returncode) == ("", 2)
    assert "its bundle leaves no size open" in done.stderr
    (pooled / "manifest.json").unlink()
    done = profiled(made, pooled, "--shape", "x:1x3x8x8")
    assert (done.stdout, done.returncode) == ("", 2)
    assert "no manifest says which sizes are open" in done.stderr
    assert not (pooled / "engines").exists()
