from __future__ import annotations

import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
import pytest
import torch
from torch import nn

from edgeshrink import trace
from edgeshrink.errors import EdgeshrinkError, InputError
from edgeshrink.inputs import InputSpec, parse_input, random_inputs
from edgeshrink.onnx_reader import read_onnx
from edgeshrink.trace import trace_module
from edgeshrink.verify import compare_outputs, run_onnx, run_torch
from tests.models import plain_cnn


class Two(nn.Module):
    """Two inputs and one that has a default."""

    def forward(self, left: torch.Tensor, right: torch.Tensor, scale: Any = None) -> torch.Tensor:
        product = left @ right
        return product if scale is None else product * scale


class Returning(nn.Module):
    """Returns what `pack` makes of the input."""

    def __init__(self, pack: Any) -> None:
        super().__init__()
        self.pack = pack

    def forward(self, x: torch.Tensor) -> Any:
        return self.pack(x)


def names(values: Any) -> list[str]:
    return [value.name for value in values]


def specs(*texts: str) -> list[InputSpec]:
    return [parse_input(text) for text in texts]


@pytest.fixture(scope="module")
def traced_cnn() -> ir.Model:
    return trace_module(plain_cnn(), specs("2x1x28x28")).model


def test_inputs_are_named_after_forwards_arguments_and_the_output_is_called_so(traced_cnn: ir.Model) -> None:
    assert (names(traced_cnn.graph.inputs), names(traced_cnn.graph.outputs)) == (["image"], ["output"])
    assert traced_cnn.graph.inputs[0].shape == [2, 1, 28, 28]


def test_a_traced_network_equals_torch(traced_cnn: ir.Model) -> None:
    feeds = random_inputs(traced_cnn, 4)
    parity = compare_outputs(run_torch(plain_cnn(), feeds, ["output"]), run_onnx(traced_cnn, feeds))
    assert parity.ok, parity.worst


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (["2x3", "3x4"], ["left", "right"]),
        (["right:3x4", "2x3"], ["left", "right"]),
        (["2x3", "3x4", "4"], ["left", "right", "scale"]),
        (["scale:4", "right:3x4", "left:2x3"], ["left", "right", "scale"]),
    ],
)
def test_inputs_go_to_arguments_by_name_and_else_in_order(texts: list[str], expected: list[str]) -> None:
    graph = trace_module(Two(), specs(*texts)).model.graph
    assert names(graph.inputs) == expected
    assert graph.inputs[0].shape == [2, 3]
    assert graph.inputs[1].shape == [3, 4]


@pytest.mark.parametrize(
    ("texts", "said"),
    [
        (["2x3"], "input 'right' is not known"),
        (["2x3", "middle:3x4"], "no further input 'middle'"),
        (["left:2x3", "left:2x3"], "no further input 'left'"),
        (["2x3", "3x4", "4", "5"], "4 inputs are given"),
        (["2x3", "4x4"], "does not run on left 2x3:float32, right 4x4:float32: forward failed"),
    ],
)
def test_inputs_that_do_not_fit_forward_are_refused(texts: list[str], said: str) -> None:
    with pytest.raises(InputError) as caught:
        trace_module(Two(), specs(*texts))
    assert said in caught.value.message


def test_a_shape_that_a_layer_refuses_names_the_layer() -> None:
    with pytest.raises(InputError, match=r"layer 'conv1' \(Conv2d\) failed: RuntimeError: .*channels"):
        trace_module(plain_cnn(), specs("1x3x28x28"))
    with pytest.raises(InputError, match=r"layer 'fc1' \(Linear\) failed"):
        trace_module(plain_cnn(), specs("1x1x32x32"))


@pytest.mark.parametrize(
    ("pack", "expected"),
    [
        (lambda x: (x + 1, [x + 2, x + 3]), ["output_0", "output_1_0", "output_1_1"]),
        (lambda x: {"boxes": x + 1, "scores": x * 2}, ["boxes", "scores"]),
        (lambda x: {"output": x + 1}, ["output"]),
        (lambda x: (x + 1, None, 3, "words"), ["output"]),
        (lambda x: x, ["output"]),
        (lambda x: (lambda y: (y, y))(x + 1), ["output_0", "output_1"]),
        (lambda x: {"x": x + 1}, ["x_out"]),
    ],
)
def test_outputs_have_names_that_do_not_depend_on_the_exporter(pack: Any, expected: list[str]) -> None:
    module = Returning(pack)
    traced = trace_module(module, specs("2x3"))
    assert names(traced.model.graph.outputs) == expected
    feeds = random_inputs(traced.model, 2)
    parity = compare_outputs(run_torch(module, feeds, expected), run_onnx(traced.model, feeds))
    assert parity.ok, parity.worst


def test_a_network_that_returns_no_tensor_is_refused() -> None:
    with pytest.raises(EdgeshrinkError, match="returns no tensor"):
        trace_module(Returning(lambda x: 3), specs("2x3"))


def test_a_network_in_training_mode_is_traced_in_eval_mode() -> None:
    module = nn.Sequential(nn.Linear(3, 4), nn.Dropout(0.5), nn.BatchNorm1d(4)).train()
    traced = trace_module(module, specs("2x3"))
    assert not module.training
    feeds = random_inputs(traced.model, 2)
    assert compare_outputs(run_torch(module, feeds, ["output"]), run_onnx(traced.model, feeds)).ok


def test_token_inputs_are_traced_and_drawn_within_the_table() -> None:
    module = nn.Sequential(nn.Embedding(5, 4), nn.Linear(4, 2))
    traced = trace_module(module, specs("1x300:int64"))
    feeds = random_inputs(traced.model, 1)
    assert int(next(iter(feeds[0].values())).max()) == 4
    assert compare_outputs(run_torch(module, feeds, ["output"]), run_onnx(traced.model, feeds)).ok


def test_a_forward_that_takes_any_number_of_tensors_gets_them_in_order() -> None:
    class Sum(nn.Module):
        def forward(self, *parts: torch.Tensor) -> torch.Tensor:
            return parts[0] - parts[1]

    traced = trace_module(Sum(), specs("2x3", "1x3"))
    assert names(traced.model.graph.inputs) == ["input_0", "input_1"]
    feeds = random_inputs(traced.model, 2)
    assert compare_outputs(run_torch(Sum(), feeds, ["output"]), run_onnx(traced.model, feeds)).ok


def test_torch_has_its_threads_again_after_tracing() -> None:
    threads = torch.get_num_threads()
    trace_module(nn.ReLU(), specs("2x3"))
    with pytest.raises(InputError):
        trace_module(nn.Linear(4, 2), specs("2x3"))
    assert torch.get_num_threads() == threads


def test_the_module_is_left_as_it_was() -> None:
    module = plain_cnn()
    trace_module(module, specs("1x1x28x28"))
    assert "forward" not in vars(module)
    assert not any(layer._forward_hooks or layer._forward_pre_hooks for layer in module.modules())


def test_torch_talks_to_nobody_while_tracing() -> None:
    code = (
        "from tests.models import plain_cnn; from edgeshrink.inputs import InputSpec; "
        "from edgeshrink.trace import trace_module; "
        "print(trace_module(plain_cnn(), [InputSpec(None, (1, 1, 28, 28))]).warnings)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("()\n", "")


def test_the_legacy_exporter_is_a_fallback_that_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> None:
        raise RuntimeError("no such operator\nwith many lines after it")

    monkeypatch.setattr(trace, "_export_dynamo", fail)
    module = plain_cnn()
    traced = trace_module(module, specs("1x1x28x28"))
    assert traced.exporter == "legacy"
    assert traced.warnings[0] == (
        "torch's exporter failed (RuntimeError: no such operator); its legacy exporter was used."
    )
    assert (names(traced.model.graph.inputs), names(traced.model.graph.outputs)) == (["image"], ["output"])
    feeds = random_inputs(traced.model, 2)
    assert compare_outputs(run_torch(module, feeds, ["output"]), run_onnx(traced.model, feeds)).ok


class MaxNorm(nn.Linear):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.weight.data = torch.renorm(self.weight.data, p=2, dim=0, maxnorm=0.5)
        return super().forward(x)


def test_a_forward_that_sets_a_weights_data_goes_to_the_legacy_exporter() -> None:
    module = nn.Sequential(MaxNorm(4, 3))
    traced = trace_module(module, specs("2x4"))
    assert traced.exporter == "legacy"
    assert "it cannot follow a forward that sets 0.weight.data" in traced.warnings[0]
    feeds = random_inputs(traced.model, 2)
    assert compare_outputs(run_torch(module, feeds, ["output"]), run_onnx(traced.model, feeds)).ok


def test_a_network_that_no_exporter_takes_says_why_in_both_words() -> None:
    with pytest.raises(
        EdgeshrinkError, match=r"(?s)torch cannot export this network: .*legacy exporter failed too: "
    ):
        trace_module(Returning(lambda x: torch.linalg.qr(x)[0]), specs("2x3"))


def onnx_text(text: str, opset: int = 18) -> onnx.ModelProto:
    return onnx.parser.parse_model(f'<ir_version: 8, opset_import: ["" : {opset}]> main {text}')


def test_an_onnx_file_is_read(tmp_path: Path) -> None:
    onnx.save(onnx_text("(float[2, 3] x) => (float[2, 3] y) { y = Relu(x) }"), tmp_path / "m.onnx")
    traced = read_onnx(tmp_path / "m.onnx")
    assert (traced.exporter, traced.warnings, names(traced.model.graph.inputs)) == ("onnx", (), ["x"])


def test_external_data_is_read_from_beside_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    proto = onnx_text("(float[2, 300] x) => (float[2, 300] y) { y = Add(x, w) }")
    proto.graph.initializer.append(onnx.numpy_helper.from_array(np.arange(300, dtype=np.float32), "w"))
    onnx.save(proto, tmp_path / "m.onnx", save_as_external_data=True, location="m.data", size_threshold=0)
    monkeypatch.chdir(tmp_path)
    weights = read_onnx("m.onnx").model.graph.initializers["w"].const_value
    assert weights is not None
    assert weights.numpy()[299] == 299
    (tmp_path / "m.data").unlink()
    with pytest.raises(InputError, match=r"m\.data"):
        read_onnx(tmp_path / "m.onnx")


def broken(folder: Path, kind: str) -> Path:
    path = folder / "m.onnx"
    proto = onnx_text("(float[2, 3] x) => (float[2, 3] y) { y = Relu(x) }")
    if kind == "folder":
        path.mkdir()
    elif kind == "empty":
        path.write_bytes(b"")
    elif kind == "random":
        path.write_bytes(np.random.default_rng(0).bytes(300))
    elif kind == "truncated":
        path.write_bytes(proto.SerializeToString()[:-9])
    elif kind == "dangling":
        proto.graph.node[0].input[0] = "nothing"
    elif kind == "unknown operator":
        proto.graph.node[0].op_type = "Rely"
    if not path.exists() and kind != "missing":
        path.write_bytes(proto.SerializeToString())
    return path


@pytest.mark.parametrize(
    "kind", ["missing", "folder", "empty", "random", "truncated", "dangling", "unknown operator"]
)
def test_an_onnx_file_that_is_not_right_is_an_input_error(tmp_path: Path, kind: str) -> None:
    with pytest.raises(InputError, match=r"m\.onnx"):
        read_onnx(broken(tmp_path, kind))


def test_an_old_opset_is_raised_and_told(tmp_path: Path) -> None:
    proto = onnx_text(
        "(float[2, 3] x) => (float[2, 3, 1] y) { a = Dropout(x) y = Unsqueeze<axes=[2]>(a) }", 9
    )
    onnx.save(proto, tmp_path / "m.onnx")
    traced = read_onnx(tmp_path / "m.onnx")
    assert traced.model.graph.opset_imports[""] == 13
    assert traced.warnings == ("m.onnx is written in opset 9; it was raised to 13.",)


def test_an_open_batch_is_fixed_at_one_and_told(tmp_path: Path) -> None:
    proto = onnx_text("(float[batch, 3] x) => (float[batch, 3] y) { a = Relu(x) y = Neg(a) }")
    onnx.save(proto, tmp_path / "m.onnx")
    traced = read_onnx(tmp_path / "m.onnx")
    graph = traced.model.graph
    assert [value.shape for value in (*graph.inputs, *graph[0].outputs, *graph.outputs)] == [[1, 3]] * 3
    assert traced.warnings == ("m.onnx leaves the batch size of x open; it was fixed at 1.",)


def test_weights_listed_as_inputs_are_no_inputs(tmp_path: Path) -> None:
    proto = onnx_text("(float[2, 3] x, float[3] w) => (float[2, 3] y) { y = Add(x, w) }")
    proto.graph.initializer.append(onnx.numpy_helper.from_array(np.ones(3, np.float32), "w"))
    onnx.save(proto, tmp_path / "m.onnx")
    assert names(read_onnx(tmp_path / "m.onnx").model.graph.inputs) == ["x"]


def test_warnings_of_torch_that_concern_the_network_are_passed_on() -> None:
    with trace._quiet() as told:
        warnings.warn("Converting a tensor to a Python boolean\nmore", torch.jit.TracerWarning, stacklevel=1)
        warnings.warn("torch's own affair", FutureWarning, stacklevel=1)
    assert told == ["Converting a tensor to a Python boolean"]


def open_sizes(path: Path) -> Path:
    onnx.save(onnx_text("(float[N, 3, h, w] x) => (float[N, 3, h, w] y) { y = Relu(x) }"), path)
    return path


def test_open_sizes_other_than_the_batch_are_named_and_asked_for(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="leaves sizes of input 'x' open: h, w") as caught:
        read_onnx(open_sizes(tmp_path / "m.onnx"))
    assert "--input x:1x3xhxw" in caught.value.hint


def test_open_sizes_are_taken_from_the_inputs_given(tmp_path: Path) -> None:
    traced = read_onnx(open_sizes(tmp_path / "m.onnx"), [InputSpec(None, (1, 3, 8, 9))])
    assert list(traced.model.graph.inputs[0].shape or ()) == [1, 3, 8, 9]
    assert list(traced.model.graph.outputs[0].shape or ()) == [1, 3, 8, 9]
    assert traced.warnings == ()


def test_a_shape_that_the_file_does_not_take_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="has no input x of shape 1x4x8x9") as caught:
        read_onnx(open_sizes(tmp_path / "m.onnx"), [InputSpec("x", (1, 4, 8, 9))])
    assert "x:Nx3xhxw" in caught.value.hint
