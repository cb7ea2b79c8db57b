from __future__ import annotations

import numpy as np
import pytest

from edgeshrink.errors import UnsupportedError
from edgeshrink.lower.reduce_axes import LowerReduceAxes
from edgeshrink.lower.reduce_over_nothing import LowerReduceOverNothing
from tests.lower.support import lowered, lowered_same, parse


@pytest.mark.parametrize("op_type", sorted(LowerReduceAxes.op_types))
def test_axes_become_an_attribute(op_type: str) -> None:
    text = f"(float[2, 3, 4] x) => (y) {{ a = Abs(x) y = {op_type}<keepdims=0>(a, axes) }}"
    after = lowered_same(parse(text, axes=np.array([-1, 0])))
    node = after.node(op_type)
    assert list(node.attributes.get_ints("axes")) == [-1, 0]
    assert node.attributes.get_int("keepdims") == 0
    assert len(node.inputs) == 1
    assert after.report.rules == {"LowerReduceAxes": 1}


def test_no_axes_mean_all_of_them() -> None:
    after = lowered_same(parse("(float[2, 3] x) => (y) { y = ReduceMean(x) }"))
    assert "axes" not in after.node("ReduceMean").attributes


@pytest.mark.parametrize("op_type", sorted(LowerReduceOverNothing.op_types))
@pytest.mark.parametrize("call", ["(x)", "(x, none)"])
def test_no_axes_can_mean_none_of_them(op_type: str, call: str) -> None:
    text = f"(float[2, 3] x) => (y) {{ y = {op_type}<noop_with_empty_axes=1, keepdims=0>{call} }}"
    constants = {"none": np.array([], np.int64)} if "none" in call else {}
    after = lowered_same(parse(text, **constants))
    left = {"ReduceL1": "Abs", "ReduceL2": "Abs", "ReduceLogSum": "Log", "ReduceSumSquare": "Mul"}
    assert after.ops == {left.get(op_type, "Identity"): 1}


def test_axes_in_a_constant_node_are_found() -> None:
    text = "(float[2, 3] x) => (y) { axes = Constant<value_ints=[1]>() y = ReduceMean(x, axes) }"
    after = lowered_same(parse(text))
    assert after.ops == {"ReduceMean": 1}


def test_a_sum_keeps_its_axes_as_an_input() -> None:
    after = lowered_same(parse("(float[2, 3] x) => (y) { y = ReduceSum(x, axes) }", axes=np.array([1])))
    assert not after.report.rules


def test_axes_stay_an_input_where_the_target_reads_them() -> None:
    after = lowered_same(
        parse("(float[2, 3] x) => (y) { y = ReduceMean(x, axes) }", 20, axes=np.array([1])), 18
    )
    assert len(after.node("ReduceMean").inputs) == 2


def test_axes_that_are_computed_are_reported() -> None:
    with pytest.raises(UnsupportedError, match=r"ReduceMean in .* has no input 1"):
        lowered(parse("(float[2, 3] x, int64[1] axes) => (y) { y = ReduceMean(x, axes) }"))


def test_reductions_inside_branches_are_found() -> None:
    text = """(bool which, float[2, 3] x) => (float[1, 3] y) { y = If(which)
        <then_branch = one () => (float[1, 3] a) { a = ReduceMean(x, axes) },
         else_branch = two () => (float[1, 3] b) { b = ReduceMax(x, axes) }> }"""
    after = lowered_same(parse(text, axes=np.array([0])))
    assert after.report.rules == {"LowerReduceAxes": 2}
