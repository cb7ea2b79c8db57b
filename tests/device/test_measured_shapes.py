"""A profile says at which shapes it was measured, and how many samples a second that makes."""

import json

import numpy as np
import pytest
from edgeshrink_device import profile_models

from tests.emulated_jetson.board import board

from .emulated_helpers import convolution, picture, reference
from .helpers import QUICK, write_double
from .inference_helpers import document, profiled

X = {"name": "x", "min": [1, 4], "opt": [3, 4], "max": [8, 4]}


def open_double(folder):
    """A bundle whose model doubles 1 to 8 samples of four numbers, best 3; with six samples."""
    folder.mkdir()
    write_double(folder / "model.onnx", batch="batch")
    (folder / "manifest.json").write_text(json.dumps({"inputs": [X]}))
    x = np.arange(24, dtype=np.float32).reshape(6, 4)
    np.savez(folder / "samples.npz", **{"in/x": x, "out/y": 2 * x})
    return folder


def open_convolution(folder):
    """A bundle whose network takes 1 to 4 pictures, best 2; with six."""
    folder.mkdir()
    (folder / "model.onnx").write_bytes(convolution(batch="N"))
    shapes = {"name": "x", "min": [1, 3, 8, 8], "opt": [2, 3, 8, 8], "max": [4, 3, 8, 8]}
    (folder / "manifest.json").write_text(json.dumps({"inputs": [shapes]}))
    x = picture(6)
    np.savez(folder / "samples.npz", **{"in/x": x, "out/y": reference(convolution(batch="N"), x=x)[0]})
    return folder


def test_an_open_batch_has_samples_a_second_beside_launches(tmp_path):
    told = profile_models([str(open_double(tmp_path / "b.edge"))], **QUICK)[0]
    assert told["model"]["shapes"] == {"x": [3, 4]}
    assert told["throughput_samples_per_s"] == 3 * told["throughput_per_s"]
    assert told["throughput_samples_per_s_reason"] is None


def test_whether_a_fixed_first_axis_counts_samples_is_not_known(tmp_path):
    told = profile_models([write_double(tmp_path / "m.onnx", batch="3")], **QUICK)[0]
    assert told["model"]["shapes"] == {"x": [3, 4]}
    assert told["throughput_samples_per_s"] is None
    assert told["throughput_samples_per_s_reason"].startswith("the size of the first axis is fixed")


@pytest.mark.parametrize("through", ["bindings", "trtexec"])
def test_an_engine_is_measured_at_opt_and_says_so(through, tmp_path):
    bundle = open_convolution(tmp_path / "b.edge")
    options = {} if through == "bindings" else {"tensorrt": None, "cudart": False}
    done = profiled(board(tmp_path, **options), bundle)
    assert (done.stderr, done.returncode) == ("", 0)
    told = document(bundle)
    assert told["model"]["shapes"] == {"x": [2, 3, 8, 8]}
    assert told["throughput_samples_per_s"] == 2 * told["throughput_per_s"]
    assert told["parity"]["ok"]
