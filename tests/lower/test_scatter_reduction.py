"""Updates that add up, or of which the largest stays, in the words of opset 13."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import onnx_ir as ir
import pytest

from edgeshrink.devices import device
from edgeshrink.errors import UnsupportedError
from edgeshrink.lower import lower
from edgeshrink.verify import compare_outputs, run_onnx
from tests.lower.support import NANO, Lowered, lowered, lowered_same, parse

REDUCTIONS = ["add", "mul", "max", "min"]
DRAW = np.random.default_rng(3)


def same_on(model: ir.Model, **feed: np.ndarray) -> Lowered:
    before = run_onnx(model, [feed])
    after = lowered(model)
    parity = compare_outputs(before, run_onnx(model, [feed]))
    assert parity.ok, parity.worst
    return after


def some(kind: str, *shape: int) -> np.ndarray:
    drawn = DRAW.standard_normal(shape) if kind == "float" else DRAW.integers(-9, 9, shape)
    return drawn.astype("float32" if kind == "float" else kind)


@pytest.mark.parametrize("kind", ["float", "int32", "int64"])
@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_places_named_once_are_gathered_joined_and_scattered(reduction: str, kind: str) -> None:
    given = f'<reduction="{reduction}", axis=-1>'
    text = f"({kind}[2, 5] x, {kind}[2, 3] u) => (y) {{ y = ScatterElements{given}(x, i, u) }}"
    after = same_on(parse(text, i=np.array([[4, 0, 2], [1, 3, 0]])), x=some(kind, 2, 5), u=some(kind, 2, 3))
    assert after.report.rules == {"LowerScatterElementsReduction": 1}
    assert after.ops["ScatterElements"] == 1


@pytest.mark.parametrize("axis", [0, 1, -1])
@pytest.mark.parametrize("kind", ["float", "int64"])
@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_places_that_are_computed_read_every_update(reduction: str, kind: str, axis: int) -> None:
    shape = [4, 4, 4]
    shape[axis] = 7
    given = f'<reduction="{reduction}", axis={axis}>'
    sizes = ", ".join(map(str, shape))
    text = f"({kind}[4, 4, 4] x, int64[{sizes}] i, {kind}[{sizes}] u) => (y)"
    model = parse(f"{text} {{ y = ScatterElements{given}(x, i, u) }}")
    after = same_on(model, x=some(kind, 4, 4, 4), i=DRAW.integers(-4, 4, shape), u=some(kind, *shape))
    assert "ScatterElements" not in after.ops


def test_infinite_updates_reach_their_own_place_alone() -> None:
    text = '(float[3] x, int64[4] i, float[4] u) => (y) { y = ScatterElements<reduction="add">(x, i, u) }'
    updates = np.array([np.inf, 1, -np.inf, 2], np.float32)
    same_on(parse(text), x=np.zeros(3, np.float32), i=np.array([0, 1, 2, 1]), u=updates)


@pytest.mark.parametrize("kind", ["float", "int64"])
@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("indices", [[[3], [0]], [[0, 2], [3, 1]], [[0, 2, 1]], [[[1, 0], [0, 1]]]])
def test_rows_named_once_are_gathered_joined_and_scattered(
    indices: list[list[int]], reduction: str, kind: str
) -> None:
    i = np.array(indices)
    updates = some(kind, *i.shape[:-1], *(4, 3, 2)[i.shape[-1] :])
    head = f"({kind}[4, 3, 2] x, {kind}[{', '.join(map(str, updates.shape))}] u) => (y)"
    model = parse(f'{head} {{ y = ScatterND<reduction="{reduction}">(x, i, u) }}', i=i)
    assert same_on(model, x=some(kind, 4, 3, 2), u=updates).ops["ScatterND"] == 1


@pytest.mark.parametrize("kind", ["float", "int64"])
@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("depth", [1, 2, 3])
def test_rows_that_are_computed_read_every_update(depth: int, reduction: str, kind: str) -> None:
    updates = some(kind, 3, 5, *(4, 3, 2)[depth:])
    head = (
        f"({kind}[4, 3, 2] x, int64[3, 5, {depth}] i, {kind}[{', '.join(map(str, updates.shape))}] u) => (y)"
    )
    model = parse(f'{head} {{ y = ScatterND<reduction="{reduction}">(x, i, u) }}')
    i = np.stack([DRAW.integers(-size, size, (3, 5)) for size in (4, 3, 2)[:depth]], axis=-1)
    after = same_on(model, x=some(kind, 4, 3, 2), i=i, u=updates)
    assert "ScatterND" not in after.ops
    assert ("MatMul" in after.ops) == (reduction == "add" and kind == "float")


@pytest.mark.parametrize(
    "text",
    [
        '(float[n] x, int64[4] i, float[4] u) => (y) { y = ScatterElements<reduction="add">(x, i, u) }',
        '(float[3, 3] x, int64[2, 2] i, float[2, 2] u) => (y) '
        '{ y = ScatterElements<reduction="add">(x, i, u) }',
        '(float[n, 3] x, int64[2, 1] i, float[2, 3] u) => (y) { y = ScatterND<reduction="add">(x, i, u) }',
        '(float[5000] x, int64[5000] i, float[5000] u) => (y) '
        '{ y = ScatterElements<reduction="max">(x, i, u) }',
    ],
)  # fmt: skip
def test_what_cannot_be_written_out_is_reported(text: str) -> None:
    with pytest.raises(UnsupportedError, match=r"reduction=.* came with opset 1[68]"):
        lowered(parse(text))


def test_repeated_constant_indices_are_not_taken_for_single_ones() -> None:
    text = '(float[3] x, float[4] u) => (y) { y = ScatterElements<reduction="add">(x, i, u) }'
    assert "ScatterElements" not in lowered_same(parse(text, i=np.array([0, -3, 2, 2]))).ops


def test_reductions_stay_where_the_target_has_them() -> None:
    text = '(float[3] x, int64[4] i, float[4] u) => (y) {{ y = ScatterElements<reduction="{}">(x, i, u) }}'
    assert not lowered_same(parse(text.format("add"), 18), 16).report.rules
    assert lowered_same(parse(text.format("max"), 18), 17).report.rules
    assert not lower(parse(text.format("max"), 18), device("onnxruntime-cpu")).rules


def test_a_parser_that_does_not_read_the_reduction_gets_none() -> None:
    model = parse(
        '(float[3] x, int64[4] i, float[4] u) => (y) { y = ScatterElements<reduction="add">(x, i, u) }', 16
    )
    old = replace(NANO, opset=17, tensorrt="8.5.2")
    assert lower(model, old).rules == {"LowerScatterElementsReduction": 1}


@pytest.mark.parametrize("board", ["jetson-orin-nano", "jetson-thor"])
def test_newer_parsers_scatter_rows_without_reduction_only(board: str) -> None:
    text = '(float[3] x, int64[4, 1] i, float[4] u) => (y) {{ y = ScatterND<reduction="{}">(x, i, u) }}'
    assert lower(parse(text.format("add"), 18), device(board)).rules == {"LowerScatterNDReduction": 1}
    plain = parse(text.format("none"), 18)
    lower(plain, device(board))
    assert [dict(node.attributes) for node in plain.graph] == [{}]


def test_a_parser_that_cannot_scatter_compares() -> None:
    model = parse(
        '(float[3] x, float[2] u) => (y) { y = ScatterElements<reduction="add">(x, i, u) }',
        i=np.array([0, 2]),
    )
    lower(model, replace(NANO, tensorrt="8.0.1"))
    assert "ScatterElements" not in [node.op_type for node in model.graph]


def test_plain_updates_stay() -> None:
    text = "(float[3] x, int64[4] i, float[4] u) => (y) { y = ScatterElements(x, i, u) }"
    assert not lowered(parse(text)).report.rules
