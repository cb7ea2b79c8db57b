from __future__ import annotations

from dataclasses import replace

import pytest

from edgeshrink.devices import device
from edgeshrink.errors import UnsupportedError
from edgeshrink.lower import lower
from tests.lower.support import lowered, lowered_same, parse

X = "(float[2, 3, 9, 10] x) => (y)"


@pytest.mark.parametrize("given", ["", "strides=[2, 1]", "pads=[1, 1, 2, 0], count_include_pad=1"])
def test_a_mean_over_dilated_windows_is_a_convolution(given: str) -> None:
    pool = f"AveragePool<{', '.join(filter(None, ['kernel_shape=[3, 2], dilations=[2, 3]', given]))}>(x)"
    after = lowered_same(parse(f"{X} {{ y = {pool} }}", 19))
    assert after.ops == {"Conv": 1}
    assert after.report.rules == {"LowerAveragePoolDilations": 1}


@pytest.mark.parametrize("board", ["jetson-nano", "onnxruntime-cpu"])
def test_rounding_up_that_adds_nothing_is_no_obstacle(board: str) -> None:
    text = """(float[1, 2, 11, 11] x) => (y) {
        y = AveragePool<kernel_shape = [2, 2], dilations = [2, 2], ceil_mode = 1>(x)
    }"""
    model = parse(text, 19)
    lower(model, replace(device(board), opset=13))
    assert [node.op_type for node in model.graph] == ["Conv"]


def test_a_mean_that_leaves_out_its_padding_is_reported() -> None:
    text = f"{X} {{ y = AveragePool<kernel_shape=[3, 3], dilations=[2, 2], pads=[1, 1, 1, 1]>(x) }}"
    with pytest.raises(UnsupportedError, match=r"dilations=.* came with opset 19"):
        lowered(parse(text, 19))


def test_windows_that_no_picture_holds_are_left_to_the_runtime() -> None:
    text = "(float[1, 1, 3, 3] x) => (y) { y = AveragePool<kernel_shape=[3, 3], dilations=[2, 2]>(x) }"
    with pytest.raises(UnsupportedError, match=r"dilations=.* came with opset 19"):
        lowered(parse(text, 19))


def test_a_dilated_mean_stays_where_the_target_has_it() -> None:
    text = f"{X} {{ y = AveragePool<kernel_shape=[3, 3], dilations=[2, 2]>(x) }}"
    assert lowered_same(parse(text, 22), 19).ops == {"AveragePool": 1}


@pytest.mark.parametrize("ceil", [0, 1])
@pytest.mark.parametrize(
    "given", ["", "strides=[2, 3]", "pads=[2, 1, 0, 1]", "strides=[3, 3], pads=[1, 1, 1, 1]"]
)
def test_the_largest_of_dilated_windows_is_a_maximum_of_slices(given: str, ceil: int) -> None:
    some = ", ".join(filter(None, ["kernel_shape=[3, 2], dilations=[2, 3]", given]))
    after = lowered_same(parse(f"{X} {{ y = MaxPool<{some}, ceil_mode={ceil}>(x) }}", 22))
    assert "MaxPool" not in after.ops
    assert after.ops["Max"] == 2


def test_the_largest_of_dilated_windows_of_one_axis() -> None:
    text = "(float[n, 3, 12] x) => (y) { y = MaxPool<kernel_shape=[4], dilations=[2]>(x) }"
    assert lowered_same(parse(text, 13)).ops == {"Slice": 4, "Max": 1}


@pytest.mark.parametrize(
    "text",
    [
        "(float[1, 1, a, b] x) => (y) { y = MaxPool<kernel_shape=[2, 2], dilations=[2, 2]>(x) }",
        f"{X} {{ y, i = MaxPool<kernel_shape=[2, 2], dilations=[2, 2]>(x) }}",
        f"{X} {{ y = MaxPool<kernel_shape=[2, 2]>(x) }}",
    ],
)
def test_other_pools_stay(text: str) -> None:
    assert not lowered(parse(text, 13)).report.rules


def test_dilations_stay_where_nothing_is_known_against_them() -> None:
    text = f"{X} {{ y = MaxPool<kernel_shape=[2, 2], dilations=[2, 2]>(x) }}"
    assert lowered_same(parse(text, 18), 17).ops == {"MaxPool": 1}
