"""What changed between opsets and has no rule: dropped where it means nothing, else told."""

from __future__ import annotations

import numpy as np
import pytest

from edgeshrink.errors import UnsupportedError
from edgeshrink.lower import opsets
from tests.lower.support import lowered, lowered_same, parse

SHAPE = np.array([3, -1])


@pytest.mark.parametrize(
    ("graph", "op_type", "gone"),
    [
        ("(float[2, 6] x) => (y) { y = Reshape<allowzero=0>(x, shape) }", "Reshape", "allowzero"),
        ("(float[2, 6] x) => (y) { y = Reshape<allowzero=1>(x, shape) }", "Reshape", "allowzero"),
        ("(float[2, 6] x) => (y) { y = Cast<to=7, saturate=1>(x) }", "Cast", "saturate"),
        (
            '(float[4] x) => (y) { i = Constant<value_ints=[1]>() u = Constant<value_floats=[2.0]>() '
            'y = ScatterElements<reduction="none">(x, i, u) }',
            "ScatterElements",
            "reduction",
        ),
        (
            "(float[1, 1, 4, 4] x) => (y) { y = AveragePool<kernel_shape=[2, 2], dilations=[1, 1]>(x) }",
            "AveragePool",
            "dilations",
        ),
        (
            "(float[1, 1, 2, 2] x) => (y) { s = Constant<value_floats=[1.0, 1.0, 2.0, 2.0]>() "
            'y = Resize<mode="nearest", antialias=0, keep_aspect_ratio_policy="stretch">(x, , s) }',
            "Resize",
            "antialias",
        ),
    ],
)  # fmt: skip
def test_an_attribute_that_says_the_old_meaning_goes(graph: str, op_type: str, gone: str) -> None:
    after = lowered_same(parse(graph, 20, shape=SHAPE))
    assert gone not in after.node(op_type).attributes


@pytest.mark.parametrize(
    ("graph", "opset", "fault"),
    [
        ("(float[0, 6] x) => (y) { y = Reshape<allowzero=1>(x, zero) }", 18, "allowzero=1 came with opset"),
        ("(uint8[3] x) => (y) { y = BitwiseNot(x) }", 18, "BitwiseNot came with opset 18"),
        (
            "(float[1, 1, 4] x) => (y) "
            "{ y = AveragePool<kernel_shape=[2], dilations=[2], strides=[2], ceil_mode=1>(x) }",
            19,
            "dilations=.* came with opset 19",
        ),
        (
            '(float[1, 1, h, 4] x) => (y) { s = Constant<value_floats=[1.0, 1.0, 0.5, 0.5]>() '
            'y = Resize<mode="linear", antialias=1>(x, , s) }',
            18,
            "antialias=1 came with opset 18",
        ),
        ("(int8[3] x) => (int8[3] y) { y = Relu(x) }", 14, "input 0 is tensor\\(int8\\), which opset 13"),
        (
            "(float[1, 1, 4, 4] x, float[1, 4] rois, int64[1] i) => (y) { y = RoiAlign(x, rois, i) }",
            16,
            "coordinate_transformation_mode=.* came with opset 16",
        ),
    ],
)  # fmt: skip
def test_what_the_older_version_cannot_say_is_named(graph: str, opset: int, fault: str) -> None:
    model = parse(graph, opset, zero=np.array([0, 6]))
    with pytest.raises(UnsupportedError, match=fault):
        lowered(model)


def test_every_fault_is_named_at_once() -> None:
    text = (
        "(int32[3] x, int64 n) => (y, z, w) { y = BitwiseAnd(x, x) z = BitwiseAnd(y, x) w = HannWindow(n) }"
    )
    with pytest.raises(UnsupportedError) as caught:
        lowered(parse(text))
    assert caught.value.message.count("BitwiseAnd came with") == 2
    assert "HannWindow" in caught.value.message
    assert "jetson-nano takes opset 13" in caught.value.message


def test_a_version_that_nobody_has_reviewed_is_not_trusted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opsets, "REVIEWED", 13)
    with pytest.raises(UnsupportedError, match="changed in opset 14, which edgeshrink does not know yet"):
        lowered(parse("(float[3] x) => (float[3] y) { y = Relu(x) }"))


def test_batch_normalization_for_training_is_reported() -> None:
    graph = "(float[2, 3] x) => (y, m, v) { y, m, v = BatchNormalization<training_mode=1>(x, s, s, s, s) }"
    with pytest.raises(UnsupportedError, match="training_mode=1"):
        lowered(parse(graph, s=np.ones(3, np.float32)))


def test_batch_normalization_for_inference_is_lowered() -> None:
    graph = "(float[2, 3] x) => (y) { y = BatchNormalization<training_mode=0>(x, s, s, s, s) }"
    assert lowered_same(parse(graph, s=np.full(3, 1.5, np.float32))).ops == {"BatchNormalization": 1}


def test_recurrent_layers_keep_their_layout() -> None:
    weights = {name: np.full((1, 4, size), 0.3, np.float32) for name, size in (("w", 3), ("r", 1))}
    graph = "(float[5, 1, 3] x) => (y) { y, h, c = LSTM<hidden_size=1, layout=0>(x, w, r) }"
    assert "layout" not in lowered_same(parse(graph, **weights)).node("LSTM").attributes
