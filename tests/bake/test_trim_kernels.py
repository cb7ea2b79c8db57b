"""TrimKernels: outer taps that are zero in every filter go, on each side by itself."""

from __future__ import annotations

import numpy as np
import pytest

from edgeshrink.bake.trim_kernels import TrimKernels
from tests.bake.support import dims, model, ops, rng, run_pass


def kernel(*shape: int, keep: tuple[slice, ...], seed: int = 1) -> np.ndarray:
    """Random weights that are zero but for the taps of `keep`."""
    array = np.zeros(shape, np.float32)
    array[(slice(None), slice(None), *keep)] = 1
    return array * rng(seed).standard_normal(shape).astype(np.float32)


def trimmed(array: np.ndarray, attributes: str, size: str = "9, 9") -> tuple[tuple[int, ...], int]:
    """The kernel after the pass, and how many crops it took."""
    groups = "group = 2, " if array.shape[1] == 1 and array.shape[0] == 2 else ""
    channels = 2 if groups else array.shape[1]
    text = f"(float[N, {channels}, {size}] x) => (y) {{ y = Conv<{groups}{attributes}>(x, w) }}"
    after = run_pass(model(text, {"w": array}), TrimKernels)
    return dims(after)["w"][2:], ops(after)["Slice"]


ALL, MID = slice(None), slice(1, 2)


@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize(("keep", "left"), [
    ((MID, MID), (1, 1)),
    ((ALL, MID), (3, 1)),
    ((slice(0, 2), ALL), (2, 3)),
    ((slice(1, 3), slice(0, 1)), (2, 1)),
    ((ALL, ALL), (3, 3)),
    ((slice(0, 0), slice(0, 0)), (1, 1)),  # all zero
])  # fmt: skip
def test_each_side_by_itself_under_any_stride(keep: tuple[slice, ...], left: tuple[int, ...], stride: int):
    attributes = f"pads = [2, 2, 2, 2], strides = [{stride}, {stride}]"
    assert trimmed(kernel(4, 3, 3, 3, keep=keep), attributes) == (left, 0)


def test_dilated_taps_take_their_dilation_from_the_padding():
    array = kernel(4, 3, 3, 3, keep=(MID, slice(1, 3)))
    assert trimmed(array, "pads = [2, 3, 2, 0], dilations = [2, 3]") == ((1, 2), 0)


@pytest.mark.parametrize("stride", [1, 2])
def test_where_the_padding_is_too_small_the_input_is_cropped_if_that_pays(stride: int):
    wide = kernel(64, 16, 5, 5, keep=(slice(1, 4), slice(2, 5)))
    assert trimmed(wide, f"strides = [{stride}, {stride}]", "13, 13") == ((3, 3), 1)
    assert trimmed(wide, f"pads = [1, 0, 0, 2], strides = [{stride}, {stride}]", "13, 13") == ((3, 3), 1)
    narrow = kernel(1, 1, 3, 3, keep=(MID, MID))
    assert trimmed(narrow, f"strides = [{stride}, {stride}]") == ((3, 3), 0)


def test_a_crop_never_leaves_an_empty_input():
    far = kernel(256, 64, 7, 1, keep=(slice(0, 1), ALL))
    assert trimmed(far, "pads = [2, 0, 2, 0]", "3, 40")[0] == (5, 1)


def test_lengths_only_known_at_run_time_are_not_cropped():
    array = kernel(64, 16, 5, 5, keep=(slice(2, 3), slice(2, 3)))
    assert trimmed(array, "pads = [2, 2, 2, 2]", "H, W") == ((1, 1), 0)
    assert trimmed(array, "pads = [1, 1, 1, 1]", "H, W") == ((3, 3), 0)


def test_one_and_three_axes_and_depthwise():
    assert trimmed(kernel(4, 3, 5, keep=(slice(1, 4),)), "pads = [2, 2]", "9")[0] == (3,)
    assert trimmed(kernel(4, 3, 3, 3, 3, keep=(MID, ALL, MID)), "pads = [1, 1, 1, 1, 1, 1]", "5, 5, 5")[
        0
    ] == (1, 3, 1)
    assert trimmed(kernel(2, 1, 3, 3, keep=(MID, MID)), "pads = [1, 1, 1, 1]")[0] == (1, 1)


@pytest.mark.parametrize("auto_pad", ["SAME_UPPER", "SAME_LOWER", "VALID"])
def test_automatic_padding_is_left_alone(auto_pad: str):
    assert trimmed(kernel(4, 3, 3, 3, keep=(MID, MID)), f'auto_pad = "{auto_pad}"') == ((3, 3), 0)


@pytest.mark.parametrize("where", ["shared", "output", "input"])
def test_a_weight_that_others_see_is_left_alone(where: str):
    second = "z = Conv<pads = [1, 1, 1, 1]>(x, w)" if where == "shared" else "z = Relu(x)"
    array = kernel(4, 3, 3, 3, keep=(MID, MID))
    before = model(
        f"(float[2, 3, 9, 9] x) => (y, z) {{ y = Conv<pads = [1, 1, 1, 1]>(x, w) {second} }}", {"w": array}
    )
    if where == "output":
        before.graph.outputs.append(before.graph.initializers["w"])
    if where == "input":
        before.graph.inputs.append(before.graph.initializers["w"])
    feeds = [{"x": np.ones((2, 3, 9, 9), np.float32), **({"w": array + 1} if where == "input" else {})}]
    assert dims(run_pass(before, TrimKernels, feeds=feeds))["w"] == (4, 3, 3, 3)


def test_a_custom_operator_called_conv_is_left_alone():
    before = model(
        "(float[2, 3, 9, 9] x) => (float[2, 4, 9, 9] y) { y = custom.Conv<pads = [1, 1, 1, 1]>(x, w) }",
        {"w": kernel(4, 3, 3, 3, keep=(MID, MID))},
        strict=False,
    )
    assert not TrimKernels()(before).modified
