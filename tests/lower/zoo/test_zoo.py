"""Real networks as torch exports them today: what a board gets equals torch and suits its parser."""

from __future__ import annotations

import onnx
import onnx_ir as ir
import pytest

from edgeshrink.devices import device
from edgeshrink.lower.narrow_interface import NARROWER
from tests.lower.zoo.catalogue import MODELS
from tests.lower.zoo.support import Form, Made, made

ALL = [pytest.param(name, marks=[pytest.mark.slow] * model.slow) for name, model in MODELS.items()]

OTHER_BOARDS = [
    *(
        (board, name)
        for board in ("jetson-orin-nano", "jetson-agx-xavier")
        for name in ("ssd", "warp", "convnext")
    ),
    *(("jetson-orin-nano", name) for name in ("rotary_opset_23", "sensors", "style", "super_resolution")),
    *(("jetson-agx-xavier", name) for name in ("sensors", "retention")),
    *(("onnxruntime-cpu", name) for name in ("rotary_opset_23", "keyword_spotter", "log_mel_stft", "segnet")),
]


@pytest.mark.parametrize("name", ALL)
def test_a_model_for_a_jetson_nano_is_what_torch_computes(name: str) -> None:
    result = made(name, "jetson-nano")
    assert result.baseline.model.graph.opset_imports == {"": 13}
    assert_right(result, name, "jetson-nano")


@pytest.mark.parametrize(("board", "name"), OTHER_BOARDS)
def test_a_model_for_another_device_is_what_torch_computes(board: str, name: str) -> None:
    assert_right(made(name, board), name, board)


@pytest.mark.slow
@pytest.mark.parametrize("board", ["jetson-orin-nano", "jetson-agx-xavier", "onnxruntime-cpu"])
@pytest.mark.parametrize("name", MODELS)
def test_every_model_for_every_kind_of_device_is_what_torch_computes(board: str, name: str) -> None:
    assert_right(made(name, board), name, board)


def assert_right(result: Made, name: str, board: str) -> None:
    """The promises of lowering, for the network as it was and for the baked one, which is also linted.

    Parity is by verify.py's own measure, 2e-5 of an output's scale. It would prove nothing of a network that
    says the same to everything, so outputs must vary by hundreds of times as much.
    """
    assert result.varies > 1e-2
    for form in (result.baseline, result.baked):
        assert form.parity.ok, form.parity.worst
        assert_valid(form, board)
        assert_same_interface(result.exported, form.model)
    errors = {finding.rule: finding.why for finding in result.baked.findings if finding.severity == "error"}
    assert errors.keys() == (MODELS[name].refused.keys() if device(board).tensorrt else set()), errors


def assert_valid(form: Form, board: str) -> None:
    """ONNX's own checker and strict inference find no fault at the device's versions."""
    proto = ir.to_proto(form.model)
    onnx.checker.check_model(proto, full_check=True)
    onnx.shape_inference.infer_shapes(proto, check_type=True, strict_mode=True, data_prop=True)
    assert form.model.graph.opset_imports == {"": min(device(board).opset, form.report.opset[0])}
    assert form.model.ir_version == min(device(board).ir_version, form.report.ir_version[0])


def assert_same_interface(before: ir.Model, after: ir.Model) -> None:
    """Names, order and shapes of inputs and outputs; types too, but for those the parser narrows anyway."""
    for old, new in ((before.graph.inputs, after.graph.inputs), (before.graph.outputs, after.graph.outputs)):
        assert [(value.name, value.shape) for value in old] == [(value.name, value.shape) for value in new]
        for wide, narrow in zip(old, new, strict=True):
            assert narrow.dtype in (wide.dtype, NARROWER.get(wide.dtype))
