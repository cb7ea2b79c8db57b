from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from edgeshrink.inputs import random_inputs
from edgeshrink.verify import compare_outputs, run_onnx
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
    after = lowered_same(parse(f"(float[1, 2, 8, 8] x) => (y) {{ y = {dilated} }}"), 17)
    assert list(after.node("MaxPool").attributes.get_ints("pads")) == [0, 0, 1, 1]


def test_an_average_that_leaves_out_its_padding_is_widened_too() -> None:
    text = (
        "(float[1, 2, 8, 8] x) => (y) { y = AveragePool<kernel_shape=[3,3], strides=[2,2], ceil_mode=1>(x) }"
    )
    assert lowered_same(parse(text, 22)).report.rules == {"LowerPoolCeilMode": 1}


@pytest.mark.parametrize("opset", [18, 19, 22])
@pytest.mark.parametrize("pads", [[0, 0, 0, 0], [1, 1, 1, 1], [1, 0, 0, 1]])
@pytest.mark.parametrize("size", [7, 8, 9])
def test_an_average_counts_its_padding_and_not_what_ceil_mode_adds(
    opset: int, pads: list[int], size: int
) -> None:
    model = parse(f"(float[1, 2, {size}, {size}] x) => (y) {{ y = {counting(pads)} }}", opset)
    feeds = random_inputs(model, 2)
    x = [F.pad(torch.from_numpy(feed["x"]), (pads[1], pads[3], pads[0], pads[2])) for feed in feeds]
    # Padded before, torch's pool sees the same windows and divides by what is not ceil_mode's.
    expected = [{"y": F.avg_pool2d(each, 3, 2, ceil_mode=True).numpy()} for each in x]
    assert lowered(model).ops.keys() <= {"AveragePool", "Pad"}
    parity = compare_outputs(expected, run_onnx(model, feeds))
    assert parity.ok, parity.worst


def counting(pads: list[int]) -> str:
    return (
        f"AveragePool<kernel_shape=[3, 3], strides=[2, 2], pads={pads}, ceil_mode=1, count_include_pad=1>(x)"
    )


@pytest.mark.parametrize(("attributes", "size", "pads"), CASES)
def test_zeros_add_nothing_to_a_norm(attributes: str, size: int, pads: list[int]) -> None:
    pool = f"LpPool<{attributes}, ceil_mode=1>(x)"
    after = lowered_same(parse(f"(float[1, 2, {size}, {size}] x) => (y) {{ y = {pool} }}", 18))
    assert list(after.node("LpPool").attributes.get_ints("pads")) == pads


def test_a_norm_stays_where_the_target_rounds_up() -> None:
    text = "(float[1, 2, 8, 8] x) => (y) { y = LpPool<kernel_shape=[3, 3], ceil_mode=1>(x) }"
    assert not lowered_same(parse(text, 22), 18).report.rules


def test_a_pool_without_ceil_mode_stays_as_it_is() -> None:
    after = lowered_same(parse("(float[1, 2, 8, 8] x) => (y) { y = MaxPool<kernel_shape=[3, 3]>(x) }", 22))
    assert not after.report.rules
