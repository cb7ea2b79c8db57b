"""A bundle whose sizes are open is measured at the opt of its manifest."""

import json

import numpy as np
import pytest
from edgeshrink_device import InputError, profile_models
from edgeshrink_device.open_sizes import at_opt, profile_shapes
from edgeshrink_device.specs import Spec

from tests.device.helpers import QUICK, write_double

OPEN = [Spec("x", (None, 4), "float32")]
X = {"name": "x", "shape": ["batch", 4], "dtype": "float32", "min": [1, 4], "opt": [3, 4], "max": [8, 4]}


def manifest(folder, *inputs):
    (folder / "manifest.json").write_text(json.dumps({"inputs": list(inputs)}))
    return str(folder / "model.onnx")


def test_a_bundles_model_runs_at_opt_on_its_samples(tmp_path):
    for name in ("baseline.onnx", "model.onnx"):
        write_double(tmp_path / name, batch="batch")
    manifest(tmp_path, X)
    x = np.arange(24, dtype=np.float32).reshape(6, 4)
    np.savez(tmp_path / "samples.npz", **{"in/x": x, "out/y": 2 * x})
    for document in profile_models([str(tmp_path)], **QUICK):
        assert document["model"]["inputs"][0]["shape"] == [3, 4]
        assert document["model"]["batch"] == 3
        assert document["parity"]["ok"]


def test_sizes_that_no_manifest_speaks_of_stay_open(tmp_path):
    assert at_opt(OPEN, str(tmp_path / "model.onnx")) == OPEN
    assert at_opt(OPEN, manifest(tmp_path, {"name": "x", "shape": [3, 4]})) == OPEN
    assert at_opt(OPEN, manifest(tmp_path, {**X, "name": "other"})) == OPEN


def test_a_manifest_that_does_not_fit_the_model_is_not_believed(tmp_path):
    assert at_opt([Spec("x", (None, 5), "float32")], manifest(tmp_path, X))[0].shape == (None, 5)


def test_the_profile_has_all_three_shapes(tmp_path):
    assert profile_shapes(manifest(tmp_path, X))["x"] == X


@pytest.mark.parametrize("text", ["{", "[]", '{"inputs": 3}', '{"inputs": [{"min": 1, "opt": 1, "max": 1}]}'])
def test_a_broken_manifest_is_an_input_error(tmp_path, text):
    (tmp_path / "manifest.json").write_text(text)
    with pytest.raises(InputError, match=r"manifest\.json: cannot be read"):
        at_opt(OPEN, str(tmp_path / "model.onnx"))


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"opt": None}, "no lists of whole numbers"),
        ({"opt": 8}, "no lists of whole numbers"),
        ({"opt": "8"}, "no lists of whole numbers"),
        ({"opt": ["8", 4]}, "no lists of whole numbers"),
        ({"opt": [8.0, 4]}, "no lists of whole numbers"),
        ({"min": [True, 4]}, "no lists of whole numbers"),
        ({"min": [0, 4]}, "no lists of whole numbers"),
        ({"min": [-1, 4]}, "no lists of whole numbers"),
        ({"max": {"0": 8}}, "no lists of whole numbers"),
        ({"max": [8]}, "not equally many"),
        ({"opt": [16, 4]}, "do not rise from min to max: min [1, 4], opt [16, 4], max [8, 4]"),
        ({"min": [4, 4]}, "do not rise"),
    ],
)
def test_sizes_that_are_none_are_told_with_their_input(tmp_path, change, told):
    with pytest.raises(
        InputError, match=r"manifest\.json: cannot be read: the sizes of input 'x' "
    ) as caught:
        profile_shapes(manifest(tmp_path, dict(X, **change)))
    assert told in caught.value.message
    assert "export it again" in caught.value.hint


def test_a_scalar_has_no_sizes(tmp_path):
    nothing = dict(X, min=[], opt=[], max=[])
    assert profile_shapes(manifest(tmp_path, nothing)) == {"x": nothing}
