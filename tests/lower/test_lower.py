"""Lowering as a whole, on torch's own exports and on ONNX files."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir
import pytest
import torch
from torch import nn

from edgeshrink.devices import device
from edgeshrink.errors import EdgeshrinkError, UnsupportedError
from edgeshrink.inputs import InputSpec, random_inputs
from edgeshrink.lower import check, lower
from edgeshrink.trace import Traced, trace_module
from edgeshrink.verify import compare_outputs, run_onnx, run_torch
from tests.lower.support import NANO, lowered, lowered_same, parse
from tests.models import plain_cnn, resnet18


def traced(module: nn.Module, *shape: int) -> Traced:
    return trace_module(module, [InputSpec(None, shape)])


@pytest.fixture(scope="module")
def small_resnet() -> nn.Module:
    return resnet18(classes=10, width=8)


@pytest.fixture(scope="module")
def lowered_resnet(small_resnet: nn.Module) -> ir.Model:
    model = traced(small_resnet, 1, 3, 64, 64).model
    lower(model, NANO)
    return model


def test_a_resnet_comes_out_at_opset_13_and_ir_7(lowered_resnet: ir.Model) -> None:
    proto = ir.serde.serialize_model(lowered_resnet)
    assert [(entry.domain, entry.version) for entry in proto.opset_import] == [("", 13)]
    assert proto.ir_version == 7
    onnx.checker.check_model(proto, full_check=True)
    onnx.shape_inference.infer_shapes(proto, check_type=True, strict_mode=True, data_prop=True)


def test_a_lowered_resnet_equals_torch(small_resnet: nn.Module, lowered_resnet: ir.Model) -> None:
    feeds = random_inputs(lowered_resnet, 8)
    parity = compare_outputs(run_torch(small_resnet, feeds, ["output"]), run_onnx(lowered_resnet, feeds))
    assert (
        parity.max_rel_error < 2e-6
    )  # float32 noise of 18 layers in another order of summing; 5e-7 measured


def test_nodes_are_named_after_torch_modules(lowered_resnet: ir.Model) -> None:
    names = [node.name for node in lowered_resnet.graph]
    assert len(set(names)) == len(names)
    assert {"conv1/Conv", "layer1/0/conv2/Conv", "layer4/0/downsample/0/Conv", "fc/Gemm"} <= set(names)


def test_nothing_that_only_takes_room_is_left(lowered_resnet: ir.Model, tmp_path: Path) -> None:
    ir.save(lowered_resnet, tmp_path / "model.onnx")
    proto = onnx.load(tmp_path / "model.onnx")
    assert not proto.graph.value_info
    assert not proto.metadata_props
    assert not proto.graph.metadata_props
    assert not any(node.metadata_props or node.doc_string for node in proto.graph.node)
    assert not any(value.metadata_props for value in [*proto.graph.input, *proto.graph.output])
    del proto.graph.initializer[:]
    assert b".py" not in proto.SerializeToString()  # torch notes file and line of every operation


def test_inputs_and_outputs_keep_names_shapes_and_types() -> None:
    model = traced(plain_cnn(), 2, 1, 28, 28).model
    before = [(value.name, value.shape, value.dtype) for value in (*model.graph.inputs, *model.graph.outputs)]
    lower(model, NANO)
    assert [(v.name, v.shape, v.dtype) for v in (*model.graph.inputs, *model.graph.outputs)] == before


class Transformer(nn.Module):
    """What a vision transformer's block holds, and a HardSwish for good measure."""

    def __init__(self) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(16), nn.LayerNorm(16)
        self.attention = nn.MultiheadAttention(16, 2, batch_first=True)
        self.mlp = nn.Sequential(nn.Linear(16, 32), nn.GELU("tanh"), nn.Linear(32, 16), nn.Hardswish())

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.norm1(x)
        x = x + self.attention(y, y, y, need_weights=False)[0]
        return x + self.mlp(self.norm2(x))


def test_a_transformer_block_equals_torch() -> None:
    torch.manual_seed(0)
    module = Transformer()
    model = traced(module, 1, 5, 16).model
    report = lower(model, NANO)
    assert report.rules.keys() >= {"LowerLayerNormalization", "LowerHardSwish"}
    feeds = random_inputs(model, 8)
    assert compare_outputs(run_torch(module, feeds, ["output"]), run_onnx(model, feeds)).ok


def test_what_is_not_lowerable_is_named_by_its_torch_module() -> None:
    class Flags(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return (x * 9).int() | (x * 5).int()

    model = traced(nn.Sequential(nn.Sequential(Flags())), 3).model
    with pytest.raises(UnsupportedError, match=r"BitwiseOr in 0\.0: BitwiseOr came with opset 18"):
        lower(model, NANO)


def test_a_model_at_the_target_keeps_its_nodes() -> None:
    after = lowered_same(parse("(float[2, 3] x) => (y) { y = ReduceMean<axes=[1]>(x) }", 13))
    assert after.report.opset == (13, 13)
    assert not after.report.rules


def test_a_model_below_the_target_stays_there() -> None:
    after = lowered(parse("(float[2, 3] x) => (y) { y = Relu(x) }", 11))
    assert after.model.graph.opset_imports == {"": 11}


def test_a_device_of_a_newer_opset_takes_the_model_as_torch_wrote_it() -> None:
    model = parse("(float[2, 3] x) => (y) { y = HardSwish(x) }")
    report = lower(model, device("cpu"))
    assert (report.opset, report.ir_version, report.changed) == ((18, 18), (10, 10), False)


def test_functions_are_inlined() -> None:
    text = """<ir_version: 10, opset_import: ["" : 18, "own" : 1]>
    main (float[3] x) => (float[3] y) { y = own.twice(x) }
    <domain: "own", opset_import: ["" : 18]> twice (a) => (b) { b = Add(a, a) }"""
    after = lowered(ir.serde.deserialize_model(onnx.parser.parse_model(text)))
    assert after.ops == {"Add": 1}
    assert after.model.graph.opset_imports == {"": 13}
    assert not after.model.functions


def test_operators_of_a_foreign_domain_are_reported() -> None:
    text = '<ir_version: 10, opset_import: ["" : 18, "own" : 1]> main (float[3] x) => (y) { y = own.Odd(x) }'
    with pytest.raises(UnsupportedError, match=r"Odd in .*its domain 'own' is not ONNX's"):
        lowered(ir.serde.deserialize_model(onnx.parser.parse_model(text)))


@pytest.mark.parametrize(("size", "told"), [("N", "Fix the open sizes"), ("2", "Replace the operation")])
def test_a_way_out_is_told_for_open_sizes_too(size: str, told: str) -> None:
    model = parse(f"(float[{size}, 4] x, int64[{size}] i) => (y) {{ y = TensorScatter(x, x, i) }}", 24)
    with pytest.raises(UnsupportedError) as caught:
        lowered(model)
    assert caught.value.hint.startswith(told)


def test_constants_and_nodes_that_nobody_reads_are_dropped() -> None:
    model = parse("(float[2] x) => (y) { z = Add(x, c) y = Relu(x) }", c=np.ones(2, np.float32))
    after = lowered_same(model)
    assert after.ops == {"Relu": 1}
    assert not after.model.graph.initializers


def test_nodes_are_sorted() -> None:
    model = parse("(float[2] x) => (y) { z = Neg(x) y = Relu(z) }")
    first = model.graph[0]
    model.graph.remove(first)
    model.graph.append(first)
    assert [node.op_type for node in lowered(model).model.graph] == ["Neg", "Relu"]


def test_a_broken_model_does_not_pass_the_check() -> None:
    model = parse("(float[2] x) => (float[3] y) { y = Relu(x) }")
    with pytest.raises(EdgeshrinkError, match="is not valid ONNX"):
        check(model)


def test_an_older_device_than_any_is_a_matter_of_its_opset_alone() -> None:
    after = lowered(parse("(float[2] x) => (y) { y = Relu(x) }"), 14)
    assert after.report.opset == (18, 14)
    assert replace(NANO, opset=14).ir_version == after.report.ir_version[1] == 7


def test_a_model_at_the_target_comes_out_byte_for_byte() -> None:
    text = """(float[1, 2, 5, 5] x) => (float[1, 3] y) {
        [conv] c = Conv<kernel_shape=[3, 3]>(x, w) [act] r = Relu(c)
        [pool] m = ReduceMean<axes=[2, 3], keepdims=0>(r) [fc] y = Gemm(m, f, b) }"""
    draw = np.random.default_rng(0)
    weights = {name: draw.random(shape, np.float32) for name, shape in (("w", (4, 2, 3, 3)), ("f", (4, 3)))}
    model = parse(text, 13, b=np.zeros(3, np.float32), **weights)
    model.ir_version = 7
    before = ir.serde.serialize_model(model)
    del before.graph.value_info[:]  # of initializers, which say their types themselves
    assert not lower(model, NANO).changed
    after = ir.serde.serialize_model(model)
    assert after.SerializeToString(deterministic=True) == before.SerializeToString(deterministic=True)


def test_constants_that_may_be_overridden_are_left_without_a_word(caplog: pytest.LogCaptureFixture) -> None:
    text = "(float[2] x, float[2] c) => (float[2] y) { a = Add(x, c) y = HardSwish(a) }"
    after = lowered_same(parse(text, 18, c=np.ones(2, np.float32)))
    assert [value.name for value in after.model.graph.inputs] == ["x", "c"]
    assert not [record for record in caplog.records if record.name.startswith("onnx_ir")]
