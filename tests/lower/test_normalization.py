from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest

from edgeshrink.errors import UnsupportedError
from tests.lower.support import lowered, lowered_same, parse

DRAW = np.random.default_rng(0)
SCALE, BIAS = DRAW.standard_normal((2, 12)).astype(np.float32)


@pytest.mark.parametrize("axis", [-1, 2, 1])
def test_layer_normalization_becomes_its_definition(axis: int) -> None:
    text = (
        f"(float[2, 3, 4] x) => (float[2, 3, 4] y) {{ y = LayerNormalization<axis={axis}>(x, scale, bias) }}"
    )
    shape = (3, 4) if axis == 1 else (4,)
    constants = {"scale": np.resize(SCALE, shape), "bias": np.resize(BIAS, shape)}
    after = lowered_same(parse(text, **constants))
    assert after.report.rules == {"LowerLayerNormalization": 1}
    assert after.ops == {"ReduceMean": 2, "Sub": 1, "Mul": 2, "Add": 2, "Sqrt": 1, "Div": 1}


def test_layer_normalization_without_bias_adds_none() -> None:
    text = "(float[2, 12] x) => (float[2, 12] y) { y = LayerNormalization<epsilon=0.5>(x, scale) }"
    assert lowered_same(parse(text, scale=SCALE)).ops["Add"] == 1


def test_mean_and_deviation_are_outputs_where_the_node_has_them() -> None:
    text = "(float[2, 12] x) => (y, mean, inverse) { y, mean, inverse = LayerNormalization(x, scale, bias) }"
    assert lowered_same(parse(text, scale=SCALE, bias=BIAS)).ops["Reciprocal"] == 1


def test_half_precision_is_normalised_in_single() -> None:
    text = "(float16[2, 12] x) => (float16[2, 12] y) { y = LayerNormalization(x, scale) }"
    after = lowered_same(parse(text, scale=SCALE.astype(np.float16)))
    kinds = [node.attributes.get_int("to") for node in after.model.graph if node.op_type == "Cast"]
    assert kinds == [ir.DataType.FLOAT, ir.DataType.FLOAT16]


def test_layer_normalization_stays_where_the_target_has_it() -> None:
    text = "(float[2, 12] x) => (float[2, 12] y) { y = LayerNormalization(x, scale) }"
    assert lowered_same(parse(text, scale=SCALE), 17).ops == {"LayerNormalization": 1}


@pytest.mark.parametrize(("opset", "size"), [(18, 3), (21, 12)])
def test_group_normalization_with_scales_a_group_or_a_channel(opset: int, size: int) -> None:
    text = (
        "(float[2, 12, 5] x) => (float[2, 12, 5] y) { y = GroupNormalization<num_groups=3>(x, scale, bias) }"
    )
    after = lowered_same(parse(text, opset, scale=SCALE[:size], bias=BIAS[:size]))
    assert after.report.rules == {"LowerGroupNormalization": 1}


def test_group_normalization_of_an_unknown_batch() -> None:
    text = (
        "(float[n, 12, 5] x) => (float[n, 12, 5] y) { y = GroupNormalization<num_groups=3>(x, scale, bias) }"
    )
    after = lowered_same(parse(text, 21, scale=SCALE, bias=BIAS))
    assert after.report.rules == {"LowerGroupNormalization": 1}


def test_group_normalization_of_an_unknown_shape_is_reported() -> None:
    text = (
        "(float[2, 12, n] x) => (float[2, 12, n] y) { y = GroupNormalization<num_groups=3>(x, scale, bias) }"
    )
    with pytest.raises(UnsupportedError, match="GroupNormalization came with opset 18"):
        lowered(parse(text, 21, scale=SCALE, bias=BIAS))
