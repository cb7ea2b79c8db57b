"""Booleans, and the integers they are counted in, for a parser that moves and reduces neither."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import onnx_ir as ir
import pytest

from edgeshrink.devices import device
from edgeshrink.inputs import random_inputs
from edgeshrink.lower import lower
from edgeshrink.verify import compare_outputs, run_onnx
from tests.lower.support import NANO, lowered, lowered_same, parse

FLAGS = "b = Greater(x, zero)"
ZERO = np.float32(0)


@pytest.mark.parametrize(
    "call",
    [
        "Gather<axis=1>(b, i)",
        "GatherElements(b, e)",
        "GatherND(b, n)",
        "Pad(b, pads)",
        "Pad(b, pads, true)",
        "ScatterElements(b, e, u)",
        "ScatterND(b, n, u)",
    ],
)
def test_booleans_are_moved_as_numbers(call: str) -> None:
    constants = {
        "zero": ZERO,
        "i": np.array([2, 0]),
        "e": np.array([[0, 1, 2]]),
        "n": np.array([[[0, 1], [2, 2], [1, 0]]]),
        "u": np.array([[True, False, True]]),
        "pads": np.array([1, 0, 0, 2]),
        "true": np.array(True),
    }
    used = {name: array for name, array in constants.items() if name == "zero" or f" {name}" in call}
    text = f"(float[3, 3] x) => (y) {{ {FLAGS} y = {call} }}"
    after = lowered_same(parse(text, 13, **used))
    assert after.report.rules == {"LowerBooleans": 1}
    assert after.ops["Cast"] >= 2


@pytest.mark.parametrize("opset", [13, 18])
def test_a_choice_of_booleans_is_logic(opset: int) -> None:
    """ONNX Runtime has no kernel for it, so numpy says what is right."""
    text = "(bool[3, 1] b, bool[4] c, bool[4] d) => (y) { y = Where(b, c, d) }"
    model = parse(text, opset)
    feeds = random_inputs(model, 4)
    assert lowered(model, opset).ops == {"Not": 1, "And": 2, "Or": 1}
    expected = [{"y": np.where(feed["b"], feed["c"], feed["d"])} for feed in feeds]
    assert compare_outputs(expected, run_onnx(model, feeds)).ok


def test_equality_of_booleans_is_logic() -> None:
    text = f"(float[3, 1] x, float[4] z) => (y) {{ {FLAGS} c = Less(z, zero) y = Equal(b, c) }}"
    assert "Equal" not in lowered_same(parse(text, 13, zero=ZERO)).ops


def test_numbers_are_moved_as_they_are() -> None:
    text = "(float[3, 3] x) => (y) { y = Gather(x, i) }"
    assert not lowered(parse(text, 13, i=np.array([1]))).report.rules


def test_booleans_stay_for_runtimes_that_take_them() -> None:
    model = parse(f"(float[3, 3] x) => (y) {{ {FLAGS} y = Gather(b, i) }}", 13, zero=ZERO, i=np.array([1]))
    assert not lower(model, device("onnxruntime-cpu")).rules


@pytest.mark.parametrize("kind", ["6", "7"])
@pytest.mark.parametrize(
    "call", ["ReduceSum(n, axes)", "ReduceMax<axes=[1]>(n)", "ReduceMin(n)", "CumSum(n, one)"]
)
def test_flags_are_counted_in_floats(call: str, kind: str) -> None:
    text = f"(float[5, 4] x) => (y) {{ {FLAGS} n = Cast<to={kind}>(b) y = {call} }}"
    constants = {"zero": ZERO, "axes": np.array([0]), "one": np.int64(1)}
    used = {name: array for name, array in constants.items() if name == "zero" or name in call}
    after = lowered_same(parse(text, 13, **used))
    assert after.report.rules == {"LowerCounts": 1}
    assert after.ops["Cast"] == 2


@pytest.mark.parametrize("n", ["n = Cast<to=7>(x)", "b = Greater(x, zero) n = Cast<to=7>(b) m = Relu(x)"])
def test_other_integers_are_summed_as_they_are(n: str) -> None:
    text = f"(float[a, 5000, 5000] x) => (y) {{ {n} y = ReduceSum(n) }}"
    assert not lowered(parse(text, 13, zero=ZERO)).report.rules


@pytest.mark.parametrize("axes", ["<keepdims=0>(b, axes)", "(b)", "<noop_with_empty_axes=1>(b)"])
@pytest.mark.parametrize("op_type", ["ReduceMax", "ReduceMin"])
def test_any_and_all_of_booleans(op_type: str, axes: str) -> None:
    text = f"(float[3, 4] x) => (y) {{ {FLAGS} y = {op_type}{axes} }}"
    used = {"zero": ZERO, "axes": np.array([1])} if "axes)" in axes else {"zero": ZERO}
    model = parse(text, 20, **used)
    assert "LowerReduceBooleans" in lowered_same(model).report.rules


def test_any_of_booleans_is_written_for_every_device_at_an_opset_without_it() -> None:
    """torch's exporter writes ReduceMax of booleans into opset 18, where it is not valid."""
    model = parse(f"(float[3, 4] x) => (y) {{ {FLAGS} y = ReduceMax(b) }}", 18, zero=ZERO)
    assert lower(model, device("onnxruntime-cpu")).rules == {"LowerReduceBooleans": 1}


def test_any_of_booleans_stays_where_the_target_has_it() -> None:
    text = f"(float[3, 4] x) => (y) {{ {FLAGS} y = ReduceMax(b) }}"
    assert not lowered_same(parse(text, 22, zero=ZERO), 20).report.rules


@pytest.mark.parametrize("kind", [np.int32, np.int64])
@pytest.mark.parametrize("bounds", ["low, high", "low", ", high", "high, low"])
def test_bounds_of_integers_are_a_maximum_and_a_minimum(kind: type, bounds: str) -> None:
    name = np.dtype(kind).name
    text = f"({name}[9] x) => (y) {{ y = Clip(x, {bounds}) }}"
    used = {k: v for k, v in {"low": kind(-1), "high": kind(2)}.items() if k in bounds}
    model, feed = parse(text, 13, **used), {"x": np.arange(-4, 5, dtype=kind)}
    before = run_onnx(model, [feed])
    after = lowered(model)
    assert after.ops.keys() <= {"Max", "Min"}
    assert compare_outputs(before, run_onnx(model, [feed])).ok


@pytest.mark.parametrize(
    "text",
    [
        "(float[9] x) => (y) { y = Clip(x, low) }",
        "(int32[9] x, int32 low) => (y) { y = Clip(x, low) }",
        "(int32[9] x) => (y) { y = Clip(x) }",
    ],
)
def test_bounds_that_are_read_rightly_stay(text: str) -> None:
    used = {"low": ZERO} if "float" in text else {}
    assert not lowered(parse(text, 13, **used)).report.rules


def test_bounds_of_integers_stay_where_the_parser_reads_them() -> None:
    model = parse("(int32[9] x) => (y) { y = Clip(x, low) }", 13, low=np.int32(0))
    assert not lower(model, replace(NANO, tensorrt="8.5.2")).rules


@pytest.mark.parametrize("value", [np.array([3]), np.array([3], np.int32), np.array([True])])
def test_what_is_no_float_is_expanded(value: np.ndarray) -> None:
    text = "(float[3, 4] x) => (y) { s = Shape(x) y = ConstantOfShape(s) }"
    model = parse(text, 13)
    (node,) = [node for node in model.graph if node.op_type == "ConstantOfShape"]
    node.attributes.add(ir.AttrTensor("value", ir.tensor(value)))
    after = lowered_same(model)
    assert after.report.rules == {"LowerFilled": 1}


def test_floats_are_filled_in() -> None:
    text = "(float[3, 4] x) => (y) { s = Shape(x) y = ConstantOfShape(s) }"
    assert not lowered_same(parse(text, 13)).report.rules
