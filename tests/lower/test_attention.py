"""Attention written out in products and a softmax equals ONNX Runtime's own."""

from __future__ import annotations

import numpy as np
import pytest

from edgeshrink.errors import UnsupportedError
from edgeshrink.verify import run_onnx
from tests.lower.support import lowered, lowered_same, parse

HEADS = "float[b, 4, 5, 8] q, float[b, 4, 6, 8] k, float[b, 4, 6, 3] v"
SHARED = "float[2, 4, 5, 8] q, float[2, 2, 6, 8] k, float[2, 2, 6, 3] v"
FLAT = "float[b, s, 32] q, float[b, t, 16] k, float[b, t, 6] v"
FLAT_HEADS = "q_num_heads=4, kv_num_heads=2"


@pytest.mark.parametrize(
    ("inputs", "attributes"),
    [
        (HEADS, ""),
        (HEADS, "scale=0.3"),
        (HEADS, "is_causal=1"),
        (HEADS, "softcap=2.0"),
        (SHARED, ""),
        (SHARED, "is_causal=1"),
        (FLAT, FLAT_HEADS),
        ("float[1, 1, 1, 1] q, float[1, 1, 1, 1] k, float[1, 1, 1, 1] v", "is_causal=1"),
    ],
)
@pytest.mark.parametrize("opset", [23, 24])
def test_attention_becomes_its_definition(inputs: str, attributes: str, opset: int) -> None:
    given = f"<{attributes}>" if attributes else ""
    after = lowered_same(parse(f"({inputs}) => (y) {{ y = Attention{given}(q, k, v) }}", opset))
    assert after.report.rules == {"LowerAttention": 1}
    assert after.ops["Softmax"] == 1
    assert "ReduceMax" not in after.ops


@pytest.mark.parametrize("shape", ["5, 6", "1, 1, 5, 6", "2, 4, 5, 6", "4, 5, 6"])
@pytest.mark.parametrize("kind", ["bool", "float"])
def test_a_mask_joins_the_scores(shape: str, kind: str) -> None:
    text = f"({SHARED}, {kind}[{shape}] m) => (y) {{ y = Attention(q, k, v, m) }}"
    assert lowered_same(parse(text, 24)).ops["ReduceMax"] == 1


def test_a_known_mask_that_blinds_no_query_needs_no_care() -> None:
    mask = np.tri(5, 6, dtype=np.bool_)
    after = lowered_same(parse(f"({SHARED}) => (y) {{ y = Attention(q, k, v, m) }}", 24, m=mask))
    assert "ReduceMax" not in after.ops


@pytest.mark.parametrize("kind", [np.bool_, np.float32])
def test_a_query_that_may_look_at_nothing_gives_zeros(kind: type) -> None:
    mask = np.tri(5, 6, -1, dtype=np.bool_)
    given = mask if kind is np.bool_ else np.where(mask, 0, -np.inf).astype(kind)
    model = parse(f"({SHARED}) => (y) {{ y = Attention(q, k, v, m) }}", 24, m=given)
    feed = {"q": np.ones((2, 4, 5, 8)), "k": np.ones((2, 2, 6, 8)), "v": np.ones((2, 2, 6, 3))}
    lowered(model)
    (after,) = run_onnx(model, [{name: array.astype(np.float32) for name, array in feed.items()}])
    assert not after["y"][:, :, 0].any()
    np.testing.assert_allclose(after["y"][:, :, 1:], 1, rtol=1e-6)  # means of ones


@pytest.mark.parametrize("attributes", ["", "<is_causal=1>"])
def test_the_past_goes_before_keys_and_values(attributes: str) -> None:
    text = f"""({SHARED}, float[2, 2, 3, 8] pk, float[2, 2, 3, 3] pv) => (y, key, value)
        {{ y, key, value = Attention{attributes}(q, k, v, , pk, pv) }}"""
    assert lowered_same(parse(text, 23)).ops["Concat"] >= 2


def test_attention_in_half_precision_has_its_softmax_in_single() -> None:
    inputs = HEADS.replace("float", "float16")
    text = f"({inputs}) => (y) {{ y = Attention<softmax_precision=1>(q, k, v) }}"
    assert lowered_same(parse(text, 23)).ops["Cast"] == 2


@pytest.mark.parametrize(
    ("inputs", "call"),
    [
        ("float[2, s, 16] q", "Attention<is_causal=1, q_num_heads=2, kv_num_heads=2>(q, q, q)"),
        ("float[2, 2, 5, 8] q, int64[2] n", "Attention(q, q, q, , , , n)"),
        ("float[2, 2, 5, 8] q, float[5, 5] m", "Attention<softcap=3.0>(q, q, q, m)"),
    ],
)
def test_attention_of_another_form_is_reported(inputs: str, call: str) -> None:
    with pytest.raises(UnsupportedError, match="Attention came with opset 23"):
        lowered(parse(f"({inputs}) => (y) {{ y = {call} }}", 24))


def test_attention_stays_where_the_target_has_it() -> None:
    assert lowered(parse(f"({HEADS}) => (y) {{ y = Attention(q, k, v) }}", 25), 24).ops == {"Attention": 1}


@pytest.mark.parametrize("interleaved", [0, 1])
@pytest.mark.parametrize(("size", "rotated"), [(8, 0), (8, 4), (2, 0)])
@pytest.mark.parametrize("flat", [False, True])
@pytest.mark.parametrize("looked_up", [False, True])
def test_rotary_embedding_becomes_its_definition(
    interleaved: int, size: int, rotated: int, flat: bool, looked_up: bool
) -> None:
    half = (rotated or size) // 2
    x = f"float[2, 5, {3 * size}] x" if flat else f"float[2, 3, 5, {size}] x"
    caches = f"float[9, {half}] c, float[9, {half}] s, int64[2, 5] p"
    if not looked_up:
        caches = f"float[2, 5, {half}] c, float[2, 5, {half}] s"
    given = f"interleaved={interleaved}, num_heads=3, rotary_embedding_dim={rotated}"
    call = f"RotaryEmbedding<{given}>(x, c, s{', p' if looked_up else ''})"
    after = lowered_same(parse(f"({x}, {caches}) => (y) {{ y = {call} }}", 23))
    assert after.report.rules == {"LowerRotaryEmbedding": 1}


def test_rotary_embedding_stays_where_the_target_has_it() -> None:
    text = "(float[2, 3, 5, 8] x, float[2, 5, 4] c, float[2, 5, 4] s) => (y) { y = RotaryEmbedding(x, c, s) }"
    assert lowered_same(parse(text, 24), 23).ops == {"RotaryEmbedding": 1}
