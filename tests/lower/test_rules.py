"""The rules of a line or two; the larger ones have files of their own."""

from __future__ import annotations

import numpy as np
import pytest

from edgeshrink.errors import UnsupportedError
from tests.lower.support import lowered, lowered_same, parse


def test_hard_swish_becomes_a_product_with_hard_sigmoid() -> None:
    after = lowered_same(parse("(float[2, 9] x) => (float[2, 9] y) { y = HardSwish(x) }"))
    assert after.ops == {"HardSigmoid": 1, "Mul": 1}
    assert after.report.rules == {"LowerHardSwish": 1}


def test_hard_swish_stays_where_the_target_has_it() -> None:
    after = lowered_same(parse("(float[2, 9] x) => (float[2, 9] y) { y = HardSwish(x) }"), opset=14)
    assert after.ops == {"HardSwish": 1}
    assert not after.report.rules


def test_mish_becomes_its_definition() -> None:
    after = lowered_same(parse("(float[2, 9] x) => (float[2, 9] y) { y = Mish(x) }"))
    assert after.ops == {"Softplus": 1, "Tanh": 1, "Mul": 1}


@pytest.mark.parametrize(("form", "gate"), [("none", "Erf"), ("tanh", "Tanh")])
def test_gelu_becomes_either_of_its_definitions(form: str, gate: str) -> None:
    text = f'(float[2, 9] x) => (float[2, 9] y) {{ y = Gelu<approximate="{form}">(x) }}'
    after = lowered_same(parse(text, opset=20))
    assert after.ops[gate] == 1
    assert "Gelu" not in after.ops
    assert after.report.rules == {"LowerGelu": 1}


def test_gelu_stays_where_the_target_has_it() -> None:
    assert lowered_same(parse("(float[9] x) => (float[9] y) { y = Gelu(x) }", opset=21), opset=20).ops == {
        "Gelu": 1
    }


def test_equal_constants_of_two_rules_are_kept_once() -> None:
    after = lowered_same(parse("(float[9] x) => (float[9] y) { a = Gelu(x) y = Gelu(a) }", opset=20))
    assert len(after.model.graph.initializers) == 3


def test_split_into_a_number_of_parts_gets_the_sizes_of_the_standard() -> None:
    text = "(float[2, 7] x) => (a, b, c) { a, b, c = Split<axis=1, num_outputs=3>(x) }"
    after = lowered_same(parse(text))
    assert after.node("Split").inputs[1].const_value.numpy().tolist() == [3, 3, 1]


def test_split_by_sizes_stays_as_it_is() -> None:
    text = "(float[2, 7] x) => (a, b) { a, b = Split<axis=1>(x, sizes) }"
    after = lowered_same(parse(text, sizes=np.array([2, 5])))
    assert not after.report.rules


def test_split_of_a_dimension_that_is_not_known_is_reported() -> None:
    text = "(float[n, 7] x) => (a, b) { a, b = Split<num_outputs=2>(x) }"
    with pytest.raises(UnsupportedError, match=r"Split in .*: num_outputs=2 came with opset 18"):
        lowered(parse(text))


def test_pads_of_some_axes_become_pads_of_all() -> None:
    text = "(float[2, 3, 4] x) => (y) { y = Pad(x, pads, value, axes) }"
    constants = {"pads": np.array([1, 0, 2, 3]), "value": np.float32(0.5), "axes": np.array([-1, 0])}
    after = lowered_same(parse(text, **constants))
    assert after.node("Pad").inputs[1].const_value.numpy().tolist() == [0, 0, 1, 3, 0, 2]
    assert len(after.node("Pad").inputs) == 3


def test_pads_of_all_axes_stay_as_they_are() -> None:
    after = lowered_same(parse("(float[2, 3] x) => (y) { y = Pad(x, pads) }", pads=np.array([0, 1, 0, 2])))
    assert not after.report.rules


def test_part_of_a_shape_becomes_a_slice_of_it() -> None:
    text = "(float[2, 3, 4] x) => (int64[2] y) { y = Shape<start=-2>(x) }"
    after = lowered_same(parse(text))
    assert after.ops == {"Shape": 1, "Slice": 1}


def test_a_whole_shape_stays_as_it_is() -> None:
    after = lowered_same(parse("(float[2, 3] x) => (int64[2] y) { y = Shape<start=0>(x) }"))
    assert after.ops == {"Shape": 1}
    assert not after.node("Shape").attributes


def test_cast_like_becomes_a_cast() -> None:
    text = "(float[4] x, int32[1] like) => (int32[4] y) { y = CastLike(x, like) }"
    after = lowered_same(parse(text))
    assert after.ops == {"Cast": 1}
