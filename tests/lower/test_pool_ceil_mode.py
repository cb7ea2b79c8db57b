from __future__ import annotations

import pytest

from edgeshrink.errors import UnsupportedError
from tests.lower.support import lowered, lowered_same, parse

CASES = [
    ("kernel_shape=[3, 3], strides=[2, 2]", 8, [0, 0, 1, 1]),
    ("kernel_shape=[3, 3], strides=[2, 2]", 9, [0, 0, 0, 0]),
    ("kernel_shape=[3, 3], strides=[2, 2], pads=[1, 0, 1, 0]", 8, [1, 0, 2, 1]),
    ("kernel_shape=[2, 2], strides=[3, 3]", 9, [0, 0, 0, 0]),  # a fourth window would lie in the padding
    ("kernel_shape=[2, 2], strides=[2, 2], pads=[1, 1, 1, 1]", 7, [1, 1, 1, 1]),  # so would a fifth
]


@pytest.mark.parametrize("opset", [18, 19, 22])
@pytest.mark.parametrize("op_type", ["MaxPool", "AveragePool"])
@pytest.mark.parametrize(("attributes", "size", "pads"), CASES)
def test_the_windows_of_ceil_mode_become_padding_at_the_end(
    op_type: str, attributes: str, size: int, pads: list[int], opset: int
) -> None:
    pool = f"{op_type}<{attributes}, ceil_mode=1>(x)"
    after = lowered_same(parse(f"(float[1, 2, {size}, {size}] x) => (y) {{ a = {pool} y = Relu(a) }}", opset))
    assert list(after.node(op_type).attributes.get_ints("pads")) == pads
    assert "ceil_mode" not in after.node(op_type).attributes


def test_the_reach_of_a_dilated_window_is_counted() -> None:
    dilated = "MaxPool<kernel_shape=[2, 2], strides=[3, 3], dilations=[2, 2], ceil_mode=1>(x)"
    after = lowered_same(parse(f"(float[1, 2, 8, 8] x) => (y) {{ y = {dilated} }}"))
    assert list(after.node("MaxPool").attributes.get_ints("pads")) == [0, 0, 1, 1]


def test_an_average_that_leaves_out_its_padding_is_widened_too() -> None:
    text = (
        "(float[1, 2, 8, 8] x) => (y) { y = AveragePool<kernel_shape=[3,3], strides=[2,2], ceil_mode=1>(x) }"
    )
    assert lowered_same(parse(text, 22)).report.rules == {"LowerPoolCeilMode": 1}


def test_an_average_that_counts_its_padding_is_reported() -> None:
    counting = "kernel_shape=[3, 3], strides=[2, 2], ceil_mode=1, count_include_pad=1"
    with pytest.raises(UnsupportedError, match="ceil_mode=1 counts windows differently"):
        lowered(parse(f"(float[1, 2, 8, 8] x) => (y) {{ y = AveragePool<{counting}>(x) }}", 22))


def test_a_pool_without_ceil_mode_stays_as_it_is() -> None:
    after = lowered_same(parse("(float[1, 2, 8, 8] x) => (y) { y = MaxPool<kernel_shape=[3, 3]>(x) }", 22))
    assert not after.report.rules
