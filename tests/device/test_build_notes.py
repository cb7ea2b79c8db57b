"""What `build` says beneath its table."""

from tests.emulated_jetson.board import board

from .emulated_helpers import model_of
from .engine_helpers import write_bundle
from .inference_helpers import LOOKUP


def test_a_warning_of_one_engine_names_it_and_of_all_is_told_once(tmp_path):
    bundle, made = write_bundle(tmp_path / "b.edge", baseline=True), board(tmp_path)
    (bundle / "baseline.onnx").write_bytes(model_of(LOOKUP))
    lines = made.device("build", bundle, "--baseline").stdout.splitlines()
    warned = [line for line in lines if line.startswith("warning: ")]
    assert [line.split("-")[0] for line in warned if "INT64" in line] == ["warning: baseline"]
    (bundle / "model.onnx").write_bytes(model_of(LOOKUP))
    lines = made.device("build", bundle, "--baseline").stdout.splitlines()
    warned = [line for line in lines if "INT64" in line]
    assert len(warned) == 1
    assert warned[0].startswith("warning: the model has INT64")
