from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx_ir as ir
import pytest

from edgeshrink.cost import cost
from edgeshrink.inputs import InputSpec
from edgeshrink.onnx_bytes import size_of, write_model
from edgeshrink.trace import trace_module
from tests.lower.support import parse
from tests.models import resnet18


def weight(*shape: int) -> np.ndarray:
    return np.ones(shape, np.float32)


@pytest.mark.parametrize(
    ("graph", "shape", "macs"),
    [
        ("(float[2, 3, 8, 8] x) => (y) { y = Conv<pads=[1, 1, 1, 1]>(x, w) }", (5, 3, 3, 3), 2 * 5 * 64 * 27),
        (
            "(float[1, 4, 8, 8] x) => (y) { y = Conv<group=4, strides=[2, 2]>(x, w) }",
            (4, 1, 2, 2),
            4 * 16 * 4,
        ),
        ("(float[1, 4, 8, 8] x) => (y) { y = ConvTranspose<group=2>(x, w) }", (4, 3, 2, 2), 4 * 64 * 3 * 4),
        ("(float[2, 6] x) => (y) { y = Gemm<transB=1>(x, w) }", (5, 6), 2 * 6 * 5),
        ("(float[6, 2] x) => (y) { y = Gemm<transA=1>(x, w) }", (6, 5), 2 * 6 * 5),
        ("(float[4, 2, 6] x) => (y) { y = MatMul(x, w) }", (6, 5), 4 * 2 * 6 * 5),
        ("(float[4, 6] x) => (y) { y = Mul(x, w) }", (6,), 0),
    ],
)
def test_multiply_accumulates_are_counted_by_hand(graph: str, shape: tuple[int, ...], macs: int) -> None:
    assert cost(parse(graph, w=weight(*shape))).macs == macs


def test_parameters_are_the_floating_point_constants_that_are_read_once_each() -> None:
    graph = """(float[2, 6] x) => (y)
    { a = Mul(x, w) b = Mul(a, w) c = Reshape(b, s) k = Constant<value_floats=[1.0]>() y = Add(c, k) }"""
    model = parse(graph, w=weight(6), s=np.array([6, 2]), unused=weight(100))
    assert cost(model).parameters == 7


def test_products_of_unknown_shape_are_not_guessed() -> None:
    assert cost(parse("(float[n, 6] x) => (y) { y = MatMul(x, w) }", w=weight(6, 5))).macs == 0


def test_counting_leaves_the_model_as_it_is() -> None:
    model = parse("(float[2, 6] x) => (y) { a = MatMul(x, w) y = Relu(a) }", w=weight(6, 5))
    cost(model)
    assert model.graph[0].outputs[0].shape is None


def test_a_resnet_18_costs_what_the_books_say() -> None:
    found = cost(trace_module(resnet18(), [InputSpec(None, (1, 3, 224, 224))]).model)
    assert found.macs == 1_814_073_344  # 1.81 GMACs, He et al. 2015, table 1
    assert (
        found.parameters == 11_689_512 - 4_800
    )  # 4,800 channels whose BatchNorm scale and offset became one bias
    assert found.nodes == 49


def test_the_size_is_the_files_size_and_the_file_is_plain_onnx(tmp_path: Path) -> None:
    big = np.random.default_rng(0).standard_normal((40, 30)).astype(np.float32)
    model = parse(
        "(float[2, 30] x) => (y) { a = Gemm<transB=1>(x, w, c) y = Add(a, c) }", w=big, c=weight(40)
    )
    path = tmp_path / "model.onnx"
    write_model(model, path)
    assert path.stat().st_size == size_of(model) == cost(model).bytes
    again = ir.load(path)
    assert np.array_equal(again.graph.initializers["w"].const_value.numpy(), big)
    assert [node.op_type for node in again.graph] == ["Gemm", "Add"]


def test_external_data_is_written_into_the_one_file(tmp_path: Path) -> None:
    model = parse("(float[2, 30] x) => (y) { y = MatMul(x, w) }", w=weight(30, 40))
    ir.save(model, tmp_path / "split.onnx", external_data="split.data")
    write_model(ir.load(tmp_path / "split.onnx"), tmp_path / "one.onnx")
    (tmp_path / "split.data").unlink()
    assert ir.load(tmp_path / "one.onnx").graph.initializers["w"].const_value.numpy().sum() == 1200


def test_every_width_of_number_is_written_as_it_is(tmp_path: Path) -> None:
    for kind in (np.float16, np.float64, np.int8, np.int64, np.bool_):
        array = (np.arange(3000) % 2).astype(kind)
        write_model(
            parse("(float[1] x) => (y, z) { y = Relu(x) z = Identity(w) }", w=array), tmp_path / "m.onnx"
        )
        assert np.array_equal(ir.load(tmp_path / "m.onnx").graph.initializers["w"].const_value.numpy(), array)


@pytest.mark.parametrize(("kind", "gates"), [("LSTM", 4), ("GRU", 3), ("RNN", 1)])
def test_recurrent_layers_multiply_both_weights_at_every_step(kind: str, gates: int) -> None:
    model = parse(
        f"(float[7, 2, 5] x) => (y) {{ y = {kind}<hidden_size=3>(x, w, r) }}",
        w=weight(1, gates * 3, 5),
        r=weight(1, gates * 3, 3),
    )
    assert cost(model).macs == 7 * 2 * gates * 3 * (5 + 3)
