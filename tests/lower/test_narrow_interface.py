"""Inputs and outputs of types that the parser narrows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import onnx_ir as ir
import pytest

from edgeshrink.lint import lint
from edgeshrink.lower import check
from edgeshrink.lower.narrow_interface import NarrowInterface
from edgeshrink.lower.target import Target
from edgeshrink.verify import run_onnx
from tests.lower.support import NANO, parse

TEXT = """(int64[3] tokens, double[3] weights, float[3] plain)
    => (int64[3] next, double[3] scaled, float[3] y)
    { next = Add(tokens, one) scaled = Mul(weights, weights) t = Cast<to=1>(tokens) y = Add(t, plain) }"""


def narrowed(model: ir.Model, version: str = "8.2.1") -> NarrowInterface:
    rule = NarrowInterface(Target.of(replace(NANO, tensorrt=version), 13))
    assert rule(model).modified == bool(rule.warnings)
    check(model)
    return rule


def test_wide_inputs_and_outputs_are_declared_narrow_under_their_names() -> None:
    model = parse(TEXT, 13, one=np.array([1]))
    rule = narrowed(model)
    assert [(value.name, value.dtype.name) for value in (*model.graph.inputs, *model.graph.outputs)] == [
        *[("tokens", "INT32"), ("weights", "FLOAT"), ("plain", "FLOAT")],
        *[("next", "INT32"), ("scaled", "FLOAT"), ("y", "FLOAT")],
    ]
    assert len(rule.warnings) == 4
    assert rule.warnings[0] == (
        "The input 'tokens' is INT32 on this device, not INT64: its values must lie within 32 bits."
    )


def test_values_that_fit_come_out_the_same() -> None:
    feed = {
        "tokens": np.array([-(2**31), 0, 2**31 - 2]),
        "weights": np.array([0.5, -3.0, 1e10]),
        "plain": np.ones(3, np.float32),
    }
    (before,) = run_onnx(parse(TEXT, 13, one=np.array([1])), [feed])
    model = parse(TEXT, 13, one=np.array([1]))
    narrowed(model)
    narrow = {"tokens": feed["tokens"].astype(np.int32), "weights": feed["weights"].astype(np.float32)}
    (after,) = run_onnx(model, [feed | narrow])
    for name, value in before.items():
        np.testing.assert_array_equal(after[name], value.astype(after[name].dtype))


def test_an_output_that_others_read_and_branches_are_kept_together() -> None:
    text = """(int64[2] i, bool c) => (int64[2] a, int64[2] b) { a = Add(i, i) b = If(c)
        <then_branch = one () => (int64[2] d) { d = Add(a, i) },
         else_branch = two () => (int64[2] e) { e = Identity(i) }> }"""
    model = parse(text, 13)
    narrowed(model)
    (after,) = run_onnx(model, [{"i": np.array([1, 2], np.int32), "c": np.array(True)}])
    np.testing.assert_array_equal(after["b"], np.array([3, 6], np.int32))


@pytest.mark.parametrize(
    "text", ["(int32[2] x) => (int32[2] y) { y = Add(x, x) }", "(float[2] x) => (float[2] y) { y = Neg(x) }"]
)
def test_narrow_interfaces_stay(text: str) -> None:
    assert not narrowed(parse(text, 13)).warnings


def test_integers_stay_wide_where_tensorrt_binds_them_wide_and_double_is_float_everywhere() -> None:
    model = parse(TEXT, 13, one=np.array([1]))
    narrowed(model, "10.3.0")
    assert [value.dtype.name for value in model.graph.inputs] == ["INT64", "FLOAT", "FLOAT"]
    cpu = NarrowInterface(Target.of(replace(NANO, runtime="onnxruntime", tensorrt=None), 13))
    assert not cpu(parse(TEXT, 13, one=np.array([1]))).modified


def test_a_copy_of_the_model_keeps_its_types() -> None:
    model = parse(TEXT, 13, one=np.array([1]))
    copy = model.clone()
    narrowed(model)
    assert [value.dtype.name for value in copy.graph.inputs] == ["INT64", "DOUBLE", "FLOAT"]


def test_an_input_that_is_an_output_too_keeps_its_one_name() -> None:
    model = parse("(int64[2] i) => (int64[2] i, int64[2] n) { n = Neg(i) }", 13)
    narrowed(model)
    assert [(out.name, out.dtype.name) for out in model.graph.outputs] == [("i", "INT32"), ("n", "INT32")]
    (after,) = run_onnx(model, [{"i": np.array([1, 2], np.int32)}])
    np.testing.assert_array_equal(after["n"], np.array([-1, -2], np.int32))


def test_what_it_counts_and_whether_that_is_exact() -> None:
    rule = narrowed(parse(TEXT, 13, one=np.array([1])))
    assert (rule.inputs, rule.outputs, rule.integers, rule.exact) == (2, 2, ["tokens"], False)
    rule = narrowed(parse("(int64[2] i) => (int64[2] n) { n = Neg(i) }", 13))
    assert (rule.inputs, rule.outputs, rule.integers, rule.exact) == (1, 1, ["i"], True)


def test_lint_asks_for_it_and_is_content_with_it() -> None:
    model = parse(TEXT, 13, one=np.array([1]))
    assert {finding.rule for finding in lint(model, NANO)} >= {"narrowed-interface"}
    narrowed(model)
    assert "narrowed-interface" not in {finding.rule for finding in lint(model, NANO)}
