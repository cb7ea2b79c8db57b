"""Operators of opset 13 that TensorRT 8.2 cannot import, or that newer opsets brought: written out."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import onnx_ir as ir
import pytest

from edgeshrink.lower import lower
from edgeshrink.verify import compare_outputs, run_onnx
from tests.lower.support import NANO, Lowered, lowered, lowered_same, parse

INTS = np.array([-7, -6, -3, -1, 0, 1, 2, 3, 6, 7])


def same_on(model: ir.Model, expected: np.ndarray | None = None, **feed: np.ndarray) -> Lowered:
    """As lowered_same, on one feed; against `expected` where ONNX Runtime has no kernel for the types."""
    before = run_onnx(model, [feed]) if expected is None else [{"y": expected}]
    after = lowered(model)
    parity = compare_outputs(before, run_onnx(after.model, [feed]))
    assert parity.ok, parity.worst
    return after


@pytest.mark.parametrize("upper", [0, 1])
@pytest.mark.parametrize("k", [-9, -1, 0, 2, 9])
@pytest.mark.parametrize("shape", ["2, 4, 3", "3, 4", "1, 1", "2, n, 3"])
def test_a_triangle_is_chosen_by_a_mask(upper: int, k: int, shape: str) -> None:
    text = f"(float[{shape}] x) => (y) {{ y = Trilu<upper={upper}>(x, k) }}"
    after = lowered_same(parse(text, k=np.int64(k)))
    assert after.report.rules == {"LowerTrilu": 1}
    assert ("Range" in after.ops) == ("n" in shape)


def test_a_triangle_lets_no_infinity_through() -> None:
    text = "(float[3, 3] x) => (y) { y = Trilu<upper=0>(x) }"
    same_on(parse(text), x=np.full((3, 3), np.inf, np.float32))


@pytest.mark.parametrize("kind", ["bool", "int32", "int64"])
def test_a_triangle_of_any_type(kind: str) -> None:
    after = lowered_same(parse(f"({kind}[4, 4] x, int64 k) => (y) {{ y = Trilu(x, k) }}"))
    assert after.ops["And" if kind == "bool" else "Where"] == 1


def test_a_triangle_stays_where_the_target_has_it() -> None:
    assert lowered_same(parse("(float[3, 3] x) => (y) { y = Trilu(x) }"), 14).ops == {"Trilu": 1}


@pytest.mark.parametrize(("shape", "op_type"), [("3, 3", "Trilu"), ("2, 3, 3", "Where")])
def test_a_triangle_in_more_dimensions_than_the_parser_takes_is_lowered(shape: str, op_type: str) -> None:
    """TensorRT 8.5 takes two (onnx-tensorrt, docs/operators.md of its line)."""
    model = parse(f"(float[{shape}] x) => (y) {{ y = Trilu(x) }}", 14)
    lower(model, replace(NANO, opset=17, tensorrt="8.5.2"))
    assert [node.op_type for node in model.graph] == [op_type]


def test_silu_and_swish_become_their_definition() -> None:
    text = "(float[3, 5] x) => (y, z) { y = Swish(x) z = Swish<alpha=1.7>(x) }"
    assert lowered_same(parse(text, 24)).ops == {"Sigmoid": 2, "Mul": 3}


def test_swish_stays_where_the_target_has_it() -> None:
    assert lowered(parse("(float[3] x) => (y) { y = Swish(x) }", 25), 24).ops == {"Swish": 1}


@pytest.mark.parametrize("axis", [-1, 2, 1])
def test_rms_normalization_becomes_its_definition(axis: int) -> None:
    text = f"(float[b, 3, 4] x) => (y) {{ y = RMSNormalization<axis={axis}, epsilon=0.1>(x, scale) }}"
    scale = np.linspace(-1, 2, 12, dtype=np.float32).reshape(3, 4)
    after = lowered_same(parse(text, 23, scale=scale if axis == 1 else scale[0]))
    assert after.ops == {"Mul": 2, "ReduceMean": 1, "Add": 1, "Sqrt": 1, "Div": 1}


def test_rms_normalization_of_half_precision_is_done_in_single() -> None:
    text = "(float16[2, 6] x) => (y) { y = RMSNormalization(x, scale) }"
    assert lowered_same(parse(text, 23, scale=np.ones(6, np.float16))).ops["Cast"] == 2


def test_rms_normalization_stays_where_the_target_has_it() -> None:
    text = "(float[2, 6] x) => (y) { y = RMSNormalization(x, scale) }"
    after = lowered_same(parse(text, 24, scale=np.ones(6, np.float32)), 23)
    assert after.ops == {"RMSNormalization": 1}


@pytest.mark.parametrize(("below", "above"), [(1, 1), (1, 0), (0, 1), (0, 0)])
def test_infinities_are_found_by_comparing(below: int, above: int) -> None:
    text = f"(float[4] x) => (y) {{ y = IsInf<detect_negative={below}, detect_positive={above}>(x) }}"
    after = same_on(parse(text, 13), x=np.array([np.inf, -np.inf, np.nan, 3e38], np.float32))
    assert after.report.rules == {"LowerIsInf": 1}


def test_infinities_stay_where_the_target_finds_them() -> None:
    assert lowered_same(parse("(float[4] x) => (y) { y = IsInf(x) }"), 15).ops == {"IsInf": 1}


def test_what_shrinks_to_zero_is_chosen() -> None:
    text = "(float[2, 9] x) => (y) { y = Shrink<lambd=0.4, bias=0.3>(x) }"
    x = np.array([[0.4, -0.4, np.nan, 0, 1, -1, 9, 0.5, -0.5]] * 2, np.float32)
    assert same_on(parse(text, 13), x=x).report.rules == {"LowerShrink": 1}


def test_shrink_stays_where_the_parser_has_it() -> None:
    assert lowered_same(parse("(float[9] x) => (y) { y = Shrink(x) }", 15), 14).ops == {"Shrink": 1}


def test_either_or_becomes_and_and_or() -> None:
    after = lowered_same(parse("(bool[2, 1] a, bool[4] b) => (y) { y = Xor(a, b) }", 13), samples=8)
    assert after.ops == {"And": 2, "Or": 1, "Not": 1}


@pytest.mark.parametrize("alpha", [1.0, 0.3, 4.0])
def test_celu_becomes_elu(alpha: float) -> None:
    after = lowered_same(parse(f"(float[40] x) => (y) {{ y = Celu<alpha={alpha}>(x) }}", 13))
    assert after.report.rules == {"LowerCelu": 1}


@pytest.mark.parametrize("fmod", [0, 1])
@pytest.mark.parametrize("kind", [np.int32, np.int64])
def test_a_remainder_of_integers_is_exact(fmod: int, kind: type) -> None:
    name = np.dtype(kind).name
    text = f"({name}[a] x, {name}[b, 1] y) => (z) {{ z = Mod<fmod={fmod}>(x, y) }}"
    most = 2**31 - 1 if kind is np.int32 else 2**52  # from where ONNX Runtime's fmod rounds int64
    x = np.append(INTS, [most, -most]).astype(kind)
    y = np.append(INTS[INTS != 0], most).astype(kind).reshape(-1, 1)
    assert same_on(parse(text, 13), x=x, y=y).report.rules == {"LowerMod": 1}


def test_a_remainder_by_constants_above_zero_asks_for_no_signs() -> None:
    after = same_on(parse("(int64[10] x) => (z) { z = Mod(x, y) }", 13, y=np.array([3])), x=INTS)
    assert "And" not in after.ops


def test_a_remainder_of_floats_by_powers_of_two_is_exact() -> None:
    x = np.array([7.3, -7.3, 0.99999994, 1e30, -2.0, 0.0, np.inf, np.nan], np.float32)
    for y in (1.0, 4.0, 1024.0):
        after = same_on(parse("(float[8] x) => (z) { z = Mod<fmod=1>(x, y) }", 13, y=np.float32(y)), x=x)
        assert after.report.rules == {"LowerMod": 1}


@pytest.mark.parametrize("y", [0.1, 3.0, 0.5, -2.0])
def test_a_remainder_of_floats_that_would_not_be_exact_stays(y: float) -> None:
    after = lowered(parse("(float[8] x) => (z) { z = Mod<fmod=1>(x, y) }", 13, y=np.float32(y)))
    assert after.ops == {"Mod": 1}


@pytest.mark.parametrize("axis", [-1, 0, 1, 2, -3])
@pytest.mark.parametrize("kind", ["int32", "int64", "float"])
def test_one_hot_compares_with_every_class(axis: int, kind: str) -> None:
    text = f"({kind}[2, 3] x) => (y) {{ y = OneHot<axis={axis}>(x, depth, values) }}"
    model = parse(text, 13, depth=np.array([4]), values=np.array([-1, 5], np.float32))
    x = np.array([[0, 3, -1], [-4, 4, -5]])
    hot = (np.where(x < 0, x + 4, x)[..., None] == np.arange(4)) * np.float32(6) - np.float32(1)
    expected = np.moveaxis(hot, -1, axis)
    x = x.astype("float32" if kind == "float" else kind)
    assert same_on(model, None if kind == "int64" else expected, x=x).ops["Equal"] == 1


def test_one_hot_of_an_unknown_batch() -> None:
    text = "(int64[n] x) => (y) { y = OneHot(x, depth, values) }"
    model = parse(text, 13, depth=np.int64(3), values=np.array([0, 1]))
    assert same_on(model, x=np.array([2, 0])).report.rules == {"LowerOneHot": 1}


@pytest.mark.parametrize("values", [[0, 1], [1, 0], [0, 0], [1, 1]])
def test_one_hot_of_booleans_is_the_comparison(values: list[int]) -> None:
    text = "(int64[4] x) => (y) { y = OneHot(x, depth, values) }"
    model = parse(text, 13, depth=np.int64(3), values=np.array(values, np.bool_))
    off, on = np.array(values, np.bool_)
    x = np.array([2, 0, 5, -1])
    same_on(model, np.where([[0, 0, 1], [1, 0, 0], [0, 0, 0], [0, 0, 1]], on, off), x=x)


def test_one_hot_of_a_computed_depth_stays() -> None:
    text = "(int64[4] x, int64[1] d, float[2] v) => (y) { y = OneHot(x, d, v) }"
    assert lowered(parse(text, 13)).ops == {"OneHot": 1}


@pytest.mark.parametrize("axis", [-1, 0, 1])
def test_hardmax_marks_the_first_maximum(axis: int) -> None:
    model = parse(f"(float[2, 3, 2] x) => (y) {{ y = Hardmax<axis={axis}>(x) }}", 13)
    same_on(model, x=np.array([[[1, 2], [1, 2], [0, 3]], [[1, 2], [5, 2], [0, 3]]], np.float32))


@pytest.mark.parametrize("axes", ["", "<axes=[0, 2]>", "<axes=[1, 3]>"])
def test_mean_variance_normalization_becomes_its_definition(axes: str) -> None:
    text = f"(float[2, 3, 4, 5] x) => (y) {{ y = MeanVarianceNormalization{axes}(x) }}"
    assert lowered_same(parse(text, 13)).report.rules == {"LowerMeanVarianceNormalization": 1}


@pytest.mark.parametrize(("version", "lowers"), [("8.2.1", True), ("8.4.1", False)])
def test_what_a_parser_lacks_is_lowered_for_it_alone(version: str, lowers: bool) -> None:
    """Xor came with TensorRT 8.4, and Celu became right (onnx-tensorrt, docs/Changelog.md)."""
    model = parse("(bool[2] a, float[2] x) => (y, z) { y = Xor(a, a) z = Celu(x) }", 13)
    report = lower(model, replace(NANO, tensorrt=version))
    assert bool(report.rules) == lowers


def test_layers_that_the_opset_has_and_the_parser_lacks_are_lowered() -> None:
    """TensorRT 8.5 has no LayerNormalization, 8.6 has (docs/Changelog.md)."""
    for version, ops in (("8.5.2", 8), ("8.6.1", 1)):
        model = parse("(float[2, 3] x) => (y) { y = LayerNormalization(x, s) }", 17, s=np.ones(3, np.float32))
        lower(model, replace(NANO, opset=17, tensorrt=version))
        assert len(list(model.graph)) in (ops, ops - 1)
