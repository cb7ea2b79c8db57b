"""Resizing as products with matrices of weights."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from edgeshrink.devices import device
from edgeshrink.errors import UnsupportedError
from edgeshrink.inputs import InputSpec, random_inputs
from edgeshrink.lower import lower
from edgeshrink.trace import trace_module
from edgeshrink.verify import compare_outputs, run_onnx, run_torch
from tests.lower.support import NANO, lowered, lowered_same, parse

PLACES = ["half_pixel", "asymmetric", "align_corners", "pytorch_half_pixel", "half_pixel_symmetric"]


def resize(given: str, inputs: str = "x, , , s", shape: str = "1, 2, 4, 6") -> str:
    return f"(float[{shape}] x) => (y) {{ y = Resize<{given}>({inputs}) }}"


@pytest.mark.parametrize("how", PLACES)
@pytest.mark.parametrize("outside", [0, 1])
@pytest.mark.parametrize("antialias", [0, 1])
@pytest.mark.parametrize("size", [(8, 9), (2, 3), (1, 1), (3, 13)])
def test_cubic_resizing_is_two_products(
    how: str, outside: int, antialias: int, size: tuple[int, int]
) -> None:
    ways = f'coordinate_transformation_mode="{how}", exclude_outside={outside}, antialias={antialias}'
    model = parse(resize(f'mode="cubic", cubic_coeff_a=-0.6, {ways}'), 19, s=np.array([1, 2, *size]))
    after = lowered_same(model)
    assert after.ops == {"MatMul": 2}
    assert after.report.rules == {"LowerResizeMatrices": 1}


@pytest.mark.parametrize("how", PLACES)
@pytest.mark.parametrize("scales", [(0.5, 0.5), (0.3, 1.0), (2.5, 0.7)])
def test_smooth_linear_resizing_is_a_product_for_each_axis(how: str, scales: tuple[float, float]) -> None:
    given = f'mode="linear", coordinate_transformation_mode="{how}", antialias=1, axes=[2, 3]'
    model = parse(resize(given, "x, , s"), 19, s=np.array(scales, np.float32))
    assert lowered_same(model).ops == {"MatMul": 1 + (scales[1] != 1)}


def test_a_picture_alone_is_resized_likewise() -> None:
    model = parse(resize('mode="cubic"', shape="7, 9"), 18, s=np.array([7, 20]))
    assert lowered_same(model).ops == {"MatMul": 1}


class Pyramid(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return (
            F.interpolate(x, size=(5, 7), mode="bilinear", antialias=True),
            F.interpolate(x, size=(5, 30), mode="bicubic", antialias=True),
            F.interpolate(x, scale_factor=2.5, mode="bicubic", align_corners=True),
            F.interpolate(x, scale_factor=1.7, mode="bicubic"),
        )


def test_what_torch_resizes_is_lowered_and_equal() -> None:
    """torch reckons weights in float32: 1e-6 of a pixel's place, seen below 2e-6 of the scale."""
    module = Pyramid()
    model = trace_module(module, [InputSpec(None, (1, 3, 16, 20))]).model
    assert lower(model, NANO).rules["LowerResizeMatrices"] == 4
    feeds = random_inputs(model, 3)
    names = [output.name or "" for output in model.graph.outputs]
    parity = compare_outputs(run_torch(module, feeds, names), run_onnx(model, feeds))
    assert parity.ok, parity.worst


@pytest.mark.parametrize(
    "text",
    [
        resize('mode="linear", antialias=1', shape="1, 2, h, 6"),
        resize('mode="linear", antialias=1', shape="1, 4, 2, 6"),
        '(float[1, 2, 4, 6] x, int64[4] s) => (y) { y = Resize<mode="linear", antialias=1>(x, , , s) }',
        resize('mode="nearest", antialias=1'),
    ],
)
def test_other_smooth_resizing_is_reported(text: str) -> None:
    used = {} if "int64" in text else {"s": np.array([1, 2, 2, 3])}
    with pytest.raises(UnsupportedError, match="antialias=1 came with opset 18"):
        lowered(parse(text, 18, **used))


@pytest.mark.parametrize("mode", ["linear", "nearest"])
def test_what_the_parser_takes_stays(mode: str) -> None:
    model = parse(resize(f'mode="{mode}"'), 18, s=np.array([1, 2, 2, 3]))
    assert not lowered_same(model).report.rules


def test_cubic_resizing_stays_where_it_is_known() -> None:
    model = parse(resize('mode="cubic"'), 13, s=np.array([1, 2, 8, 9]))
    for to in (device("onnxruntime-cpu"), device("jetson-orin-nano"), replace(NANO, tensorrt="8.5.2")):
        assert not lower(model.clone(), to).rules
