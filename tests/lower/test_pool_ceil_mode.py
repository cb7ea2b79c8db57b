from __future__ import annotations

import pytest

from edgeshrink.errors import UnsupportedError
from tests.lower.support import lowered, lowered_same, parse


@pytest.mark.parametrize(
    ("attributes", "size", "pads"),
    [
        ("kernel_shape=[3, 3], strides=[2, 2]", 8, [0, 0, 1, 1]),
        ("kernel_shape=[3, 3], strides=[2, 2]", 9, [0, 0, 0, 0]),
        ("kernel_shape=[3, 3], strides=[2, 2], pads=[1, 0, 1, 0]", 8, [1, 0, 2, 1]),
        ("kernel_shape=[2, 2], strides=[3, 3]", 9, [0, 0, 0, 0]),
    ],
)
def test_the_windows_of_ceil_mode_become_padding_at_the_end(
    attributes: str, size: int, pads: list[int]
) -> None:
    text = f"(float[1, 2, {size}, {size}] x) => (y) {{ y = MaxPool<{attributes}, ceil_mode=1>(x) }}"
    after = lowered_same(parse(text, 22))
    assert list(after.node("MaxPool").attributes.get_ints("pads")) == pads
    assert "ceil_mode" not in after.node("MaxPool").attributes


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
