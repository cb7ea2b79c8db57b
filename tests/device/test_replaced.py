"""A model that was put into a bundle in the place of its own is told; the bundle's own never is."""

import hashlib
import json

import numpy as np
import pytest
from edgeshrink_device import main
from edgeshrink_device.replaced import replaced

from tests.emulated_jetson.board import board

from .emulated_helpers import convolution
from .engine_helpers import write_bundle
from .helpers import QUICK_WORDS, write_double

OTHER = "is not the model that the bundle was exported with"


def of(folder, **told):
    """Write a manifest that tells this of the models; the path of the model."""
    (folder / "manifest.json").write_text(json.dumps(told))
    return str(folder / "model.onnx")


@pytest.fixture
def bundle(tmp_path):
    return write_bundle(tmp_path / "b.edge", baseline=True)


def sizes(bundle, more=0):
    return {
        "after": {"bytes": (bundle / "model.onnx").stat().st_size + more},
        "before": {"bytes": (bundle / "baseline.onnx").stat().st_size},
    }


def test_the_bundles_own_models_are_its_own(bundle):
    assert replaced(of(bundle, **sizes(bundle))) is None
    assert replaced(str(bundle / "baseline.onnx")) is None


def test_another_size_is_another_model(bundle):
    told = replaced(of(bundle, **sizes(bundle, more=7)))
    size = (bundle / "model.onnx").stat().st_size
    assert OTHER in told
    assert f"{size} bytes, the manifest says {size + 7}" in told


def test_a_checksum_tells_one_of_the_same_size(bundle):
    path = bundle / "model.onnx"
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    model = of(bundle, sha256={"model.onnx": digest}, **sizes(bundle))
    assert replaced(model) is None
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    assert "its checksum is another" in replaced(model)


@pytest.mark.parametrize("text", ["{}", "[]", "{", '{"after": 3}', '{"sha256": []}'])
def test_a_manifest_that_does_not_tell_accuses_nobody(text, bundle):
    (bundle / "manifest.json").write_text(text)
    assert replaced(str(bundle / "model.onnx")) is None


def test_a_model_outside_of_any_bundle_is_nobodys(tmp_path):
    of(tmp_path, after={"bytes": 1})
    assert replaced(write_double(tmp_path / "mine.onnx")) is None
    (tmp_path / "manifest.json").unlink()
    assert replaced(write_double(tmp_path / "model.onnx")) is None


def test_build_warns_and_does_not_say_that_there_is_no_manifest(tmp_path):
    made, bundle = board(tmp_path), write_bundle(tmp_path / "b.edge", data=convolution("batch"))
    of(bundle, inputs=[], after={"bytes": 1}, before={"bytes": 1})
    told = made.device("build", bundle).stdout
    assert f"warning: model.onnx {OTHER}" in told
    assert "no manifest" not in told
    assert "the manifest does not tell how large the open sizes of input 'x' are" in told


def test_profile_on_the_cpu_warns(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_double(tmp_path / "model.onnx")
    x = np.arange(24, dtype=np.float32).reshape(6, 4)
    np.savez(tmp_path / "samples.npz", **{"in/x": x, "out/y": 2 * x})
    of(tmp_path, after={"bytes": 1})
    assert main(["profile", str(tmp_path), *QUICK_WORDS]) == 0
    assert f"model.onnx {OTHER}" in capsys.readouterr().out
