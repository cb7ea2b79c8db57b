"""A profile names the model that was measured: with its weights, and whatever lies there in the end."""

import hashlib

import numpy as np
import onnx
import pytest
from edgeshrink_device import InputError, profile_models
from edgeshrink_device.model_file import identify, measured

from tests.emulated_jetson.board import board

from .helpers import QUICK, write_double, write_null
from .inference_helpers import document, profiled, write_bundle


def digest(*paths):
    return hashlib.sha256(b"".join(path.read_bytes() for path in paths)).hexdigest()


def with_weights_beside(folder):
    """A model and the file that holds its weights."""
    weights = onnx.numpy_helper.from_array(np.full(4096, 2, np.float32), "w")
    node = onnx.helper.make_node("Mul", ["x", "w"], ["y"])
    values = [onnx.helper.make_tensor_value_info(name, 1, [1, 4096]) for name in "xy"]
    graph = onnx.helper.make_graph([node], "g", values[:1], values[1:], [weights])
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 13)], ir_version=7)
    onnx.save(model, str(folder / "m.onnx"), save_as_external_data=True, location="w.bin", size_threshold=16)
    return folder / "m.onnx", folder / "w.bin"


def test_weights_beside_a_model_are_part_of_it(tmp_path):
    model, weights = with_weights_beside(tmp_path)
    told = profile_models([str(model)], **QUICK)[0]["model"]
    assert told["sha256"] == digest(model, weights)
    assert told["bytes"] == model.stat().st_size + weights.stat().st_size


def test_weights_that_are_missing_are_told_before_anything_is_measured(tmp_path):
    model, weights = with_weights_beside(tmp_path)
    weights.unlink()
    with pytest.raises(InputError, match=r"w.bin: holds weights of .*m.onnx and cannot be read"):
        profile_models([str(model)], **QUICK)


def test_a_file_without_more_is_its_own_checksum(tmp_path):
    for path in (write_double(tmp_path / "m.onnx"), write_null(tmp_path / "m.null")):
        told = identify(path)
        assert (told.sha256, told.bytes) == (digest(tmp_path / path), (tmp_path / path).stat().st_size)


def test_a_model_that_is_replaced_while_it_is_measured_is_told(tmp_path):
    path = tmp_path / "m.onnx"
    write_double(path)
    before = digest(path)

    def replace(model, phase, fraction):
        if phase == "measure":
            write_double(path, factor="3.0")

    (told,) = profile_models([str(path)], progress=replace, **QUICK)
    assert told["model"]["sha256"] == before != digest(path)
    assert told["warnings"][0].startswith("m.onnx was changed or replaced while it was measured")


def test_a_model_that_is_gone_in_the_end_is_told(tmp_path):
    path = tmp_path / "m.onnx"
    before = identify(write_double(path))
    assert measured(str(path), before, None) == before
    path.unlink()
    told = measured(str(path), before, None)
    assert told[:2] == before[:2]
    assert "was changed or replaced" in told.warning


def test_an_engine_is_of_the_model_it_was_made_of(tmp_path):
    path = tmp_path / "m.onnx"
    before = identify(write_double(path))
    told = measured(str(path), before, {"key": {"model_sha256": "another"}})
    assert (told.sha256, told.bytes) == ("another", None)
    assert "was changed or replaced" in told.warning


def test_the_profile_of_an_engine_names_its_model(tmp_path):
    bundle = write_bundle(tmp_path / "b.edge", baseline=False)
    assert profiled(board(tmp_path), bundle).returncode == 0
    told = document(bundle)["model"]
    assert (told["sha256"], told["bytes"]) == (
        digest(bundle / "model.onnx"),
        (bundle / "model.onnx").stat().st_size,
    )
