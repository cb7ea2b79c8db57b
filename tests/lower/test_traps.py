"""What opset 13 has no word for, or TensorRT reads wrongly, said in another way."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from edgeshrink.errors import UnsupportedError
from edgeshrink.lower import lower
from edgeshrink.verify import compare_outputs, run_onnx
from tests.lower.support import NANO, lowered, lowered_same, parse


@pytest.mark.parametrize("pads", [[0, 1, 2, 0, 3, 1], [0, 0, 0, 0, 4, 5], [2, 4, 5, 0, 0, 0], [0] * 6])
def test_wrapping_pads_become_slices(pads: list[int]) -> None:
    text = '(float[2, 4, 5] x) => (y) { y = Pad<mode="wrap">(x, pads) }'
    after = lowered_same(parse(text, 19, pads=np.array(pads)))
    assert after.report.rules == {"LowerPadWrap": 1}


def test_wrapping_pads_of_some_axes_become_slices() -> None:
    text = '(float[n, 4, 5] x) => (y) { y = Pad<mode="wrap">(x, pads, , axes) }'
    after = lowered_same(parse(text, 19, pads=np.array([1, 2, 3, 0]), axes=np.array([-1, 1])))
    assert after.report.rules == {"LowerPadWrap": 1}


@pytest.mark.parametrize("pads", [[0, 5, 0, 0], [0, -1, 0, 0]])
def test_pads_that_wrap_more_than_once_or_cut_are_reported(pads: list[int]) -> None:
    text = '(float[2, 4] x) => (y) { y = Pad<mode="wrap">(x, pads) }'
    with pytest.raises(UnsupportedError, match="mode=wrap came with opset 19"):
        lowered(parse(text, 19, pads=np.array(pads)))


def test_wrapping_pads_stay_where_the_target_has_them() -> None:
    text = '(float[2, 4] x) => (y) { y = Pad<mode="wrap">(x, pads) }'
    assert lowered_same(parse(text, 20, pads=np.array([0, 1, 0, 0])), 19).ops == {"Pad": 1}


@pytest.mark.parametrize("kind", ["int32", "int64"])
def test_a_rectifier_of_integers_is_a_maximum(kind: str) -> None:
    model = parse(f"({kind}[5] x) => (y) {{ y = Relu(x) }}", 14)
    lowered(model)
    (after,) = run_onnx(model, [{"x": np.array([-5, -1, 0, 1, 7], kind)}])
    np.testing.assert_array_equal(after["y"], [0, 0, 0, 1, 7])
    assert [node.op_type for node in model.graph] == ["Max"]


def test_a_rectifier_of_floats_stays() -> None:
    assert lowered_same(parse("(float[5] x) => (y) { y = Relu(x) }", 14)).ops == {"Relu": 1}


@pytest.mark.parametrize("kind", [np.int32, np.int64])
@pytest.mark.parametrize("call", ["Not(x)", "And(x, m)", "And(m, x)", "Or(x, m)", "Xor(m, x)"])
@pytest.mark.parametrize("mask", [0, 1, 6, 7, 0b1011010, 2**29, 2**30 - 1])
def test_bits_are_reckoned_with_integers(kind: type, call: str, mask: int) -> None:
    bounds = np.iinfo(kind)
    x = np.array([bounds.min, bounds.max, -9, -8, -1, 0, 1, 7, 8, 123456], kind)
    model = parse(f"({np.dtype(kind).name}[10] x) => (y) {{ y = Bitwise{call} }}", 18, m=np.array(mask, kind))
    before = run_onnx(model, [{"x": x}])
    assert lowered(model).report.rules.keys() <= {"LowerBitwiseNot", "LowerBitwise"}
    assert compare_outputs(before, run_onnx(model, [{"x": x}])).ok


@pytest.mark.parametrize("mask", [-1, 2**30])
def test_other_masks_of_bits_are_reported(mask: int) -> None:
    with pytest.raises(UnsupportedError, match="BitwiseAnd came with opset 18"):
        lowered(parse("(int64[3] x) => (y) { y = BitwiseAnd(x, m) }", 18, m=np.int64(mask)))


@pytest.mark.parametrize(
    ("inputs", "equation", "written"),
    [
        ("float[2, 3, 4, 5] x, float[2, 3, 6, 5] z", "...ij,...kj->...ik", "abij,abkj->abik"),
        ("float[n, 4, 5] x, float[n, 6, 5] z", "...ij, ...kj -> ...ik", "aij,akj->aik"),
        ("float[4, 5] x, float[6, 5] z", "...Aj,...kj->Ak", "Aj,kj->Ak"),
    ],
)
def test_an_ellipsis_gets_letters(inputs: str, equation: str, written: str) -> None:
    after = lowered_same(parse(f'({inputs}) => (y) {{ y = Einsum<equation="{equation}">(x, z) }}', 13))
    assert after.node("Einsum").attributes.get_string("equation") == written


@pytest.mark.parametrize("equation", ["...ij,kj->...ik"])
def test_an_ellipsis_that_broadcasts_stays(equation: str) -> None:
    model = parse(
        f'(float[2, 4, 5] x, float[6, 5] z) => (y) {{ y = Einsum<equation="{equation}">(x, z) }}', 13
    )
    assert not lowered(model).report.rules


def test_the_smallest_are_the_largest_of_the_negatives() -> None:
    text = "(float[3, 7] x) => (v, i) { v, i = TopK<largest=0, axis=1>(x, k) }"
    after = lowered_same(parse(text, 13, k=np.array([3])))
    assert after.ops == {"Neg": 2, "TopK": 1}


def test_ties_of_the_smallest_keep_their_order() -> None:
    model = parse("(float[6] x) => (v, i) { v, i = TopK<largest=0>(x, k) }", 13, k=np.array([4]))
    feed = {"x": np.array([2, 1, 1, 0, 1, 0], np.float32)}
    before = run_onnx(model, [feed])
    lowered(model)
    assert compare_outputs(before, run_onnx(model, [feed])).ok


def test_the_largest_stay() -> None:
    text = "(float[3, 7] x) => (v, i) { v, i = TopK(x, k) }"
    assert lowered_same(parse(text, 13, k=np.array([3]))).ops == {"TopK": 1}


def test_constants_of_numbers_become_initializers_for_tensorrt_alone() -> None:
    text = "(float[2] x) => (y) { c = Constant<value_floats=[1.0, 2.0]>() y = Add(x, c) }"
    assert lowered_same(parse(text, 13)).ops == {"Add": 1}
    model = parse(text, 13)
    lower(model, replace(NANO, runtime="onnxruntime", tensorrt=None))
    assert [node.op_type for node in model.graph] == ["Constant", "Add"]


def test_a_computed_shape_without_zeros_needs_no_attribute() -> None:
    text = "(float[n, 6] x, int64[2] s) => (float[a, b] y) { y = Reshape<allowzero=1>(x, s) }"
    model = parse(text, 14)
    feed = {"x": np.arange(12, dtype=np.float32).reshape(2, 6), "s": np.array([3, 4])}
    before = run_onnx(model, [feed])
    assert lowered(model).report.rules == {"LowerReshapeZeros": 1}
    assert compare_outputs(before, run_onnx(model, [feed])).ok


def test_a_computed_shape_of_an_empty_tensor_is_reported() -> None:
    text = "(float[0, 6] x, int64[2] s) => (y) { y = Reshape<allowzero=1>(x, s) }"
    with pytest.raises(UnsupportedError, match="allowzero=1 came with opset 14"):
        lowered(parse(text, 14))
