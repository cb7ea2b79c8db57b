"""Sampling on a grid and resizing, in the words of opset 13."""

from __future__ import annotations

import numpy as np
import pytest

from edgeshrink.errors import UnsupportedError
from edgeshrink.verify import compare_outputs, run_onnx
from tests.lower.support import lowered, lowered_same, parse

EDGES = [-1.0, -1.2, -0.99, 0.0, 0.31, 0.5, 1.0, 1.2, 3.0, -1e5]


@pytest.mark.parametrize("corners", [0, 1])
@pytest.mark.parametrize("padding", ["zeros", "border", "reflection"])
@pytest.mark.parametrize(("opset", "mode"), [(16, "bilinear"), (20, "linear"), (20, "nearest")])
@pytest.mark.parametrize("size", ["1, 1", "4, 7"])
def test_a_grid_is_sampled_by_gathering(corners: int, padding: str, opset: int, mode: str, size: str) -> None:
    given = f'<mode="{mode}", padding_mode="{padding}", align_corners={corners}>'
    text = f"(float[2, 3, {size}] x, float[2, 10, 10, 2] g) => (y) {{ y = GridSample{given}(x, g) }}"
    draw = np.random.default_rng(0)
    height, width = (int(part) for part in size.split(", "))
    grid = np.stack(np.meshgrid(EDGES, EDGES), axis=-1)
    feed = {
        "x": draw.standard_normal((2, 3, height, width)).astype(np.float32),
        "g": np.stack([grid, draw.uniform(-1.3, 1.3, grid.shape)]).astype(np.float32),
    }
    model = parse(text, opset)
    before = run_onnx(model, [feed])
    assert lowered(model).report.rules == {"LowerGridSample": 1}
    parity = compare_outputs(before, run_onnx(model, [feed]))
    assert parity.ok, parity.worst


@pytest.mark.parametrize(
    ("given", "x"),
    [
        ('<mode="cubic">', "float[1, 1, 4, 4] x"),
        ('<padding_mode="reflection">', "float[1, 1, h, 4] x"),
        ("", "float[n, 1, 4, 4] x"),
    ],
)
def test_other_ways_to_sample_are_reported(given: str, x: str) -> None:
    text = f"({x}, float[1, 2, 2, 2] g) => (y) {{ y = GridSample{given}(x, g) }}"
    with pytest.raises(UnsupportedError, match="GridSample came with opset 16"):
        lowered(parse(text, 20))


def test_a_grid_is_sampled_as_it_is_where_the_target_can() -> None:
    text = "(float[1, 1, 4, 4] x, float[1, 2, 2, 2] g) => (y) { y = GridSample(x, g) }"
    assert lowered_same(parse(text, 20), 16).ops == {"GridSample": 1}


@pytest.mark.parametrize("axes", [[2, 3], [3, 2], [-1, -2]])
@pytest.mark.parametrize("what", ["sizes", "scales"])
@pytest.mark.parametrize("mode", ["nearest", "linear"])
def test_resizing_of_some_axes_becomes_resizing_of_all(axes: list[int], what: str, mode: str) -> None:
    inputs = "x, , , sizes" if what == "sizes" else "x, , scales"
    text = f'(float[1, 2, 4, 6] x) => (y) {{ y = Resize<mode="{mode}", axes={axes}>({inputs}) }}'
    constants = (
        {"sizes": np.array([8, 9])} if what == "sizes" else {"scales": np.array([2.5, 0.5], np.float32)}
    )
    after = lowered_same(parse(text, 18, **constants))
    assert after.report.rules == {"LowerResizeSizes": 1}
    assert "axes" not in after.node("Resize").attributes


@pytest.mark.parametrize("outside", [0, 1])
def test_antialiasing_of_a_larger_picture_is_nothing(outside: int) -> None:
    given = f'mode="linear", antialias=1, exclude_outside={outside}'  # 1 is what torch writes
    text = f"(float[1, 2, 4, 6] x) => (y) {{ y = Resize<{given}>(x, , , sizes) }}"
    after = lowered_same(parse(text, 18, sizes=np.array([1, 2, 4, 13])))
    assert after.report.rules == {"LowerResizeSizes": 1}


@pytest.mark.parametrize("given", ["antialias=1", 'keep_aspect_ratio_policy="not_larger"'])
def test_other_resizing_is_reported(given: str) -> None:
    x = "float[1, 2, 4, 6] x" if "policy" in given else "float[1, 2, h, 6] x"
    text = f'({x}) => (y) {{ y = Resize<mode="linear", axes=[2, 3], {given}>(x, , , sizes) }}'
    with pytest.raises(UnsupportedError, match=r"Resize in .*came with opset"):
        lowered(parse(text, 18, sizes=np.array([3, 9])))


def test_resizing_of_all_axes_stays() -> None:
    text = "(float[1, 2, 4, 6] x) => (y) { y = Resize(x, , , sizes) }"
    assert not lowered_same(parse(text, 18, sizes=np.array([1, 2, 8, 9]))).report.rules


@pytest.mark.parametrize("mode", ["linear", "nearest"])
def test_infinite_pixels_do_not_reach_beyond_the_picture(mode: str) -> None:
    text = f'(float[1, 1, 2, 2] x, float[1, 1, 2, 2] g) => (y) {{ y = GridSample<mode="{mode}">(x, g) }}'
    grid = np.array([[[[-9, -9], [9, 0.2]]]], np.float32)
    feed = {"x": np.full((1, 1, 2, 2), np.inf, np.float32), "g": grid}
    model = parse(text, 20)
    before = run_onnx(model, [feed])
    lowered(model)
    assert compare_outputs(before, run_onnx(model, [feed])).ok
