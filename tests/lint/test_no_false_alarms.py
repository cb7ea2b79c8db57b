"""Graphs that TensorRT 8.2 takes as they are: lint has neither errors nor warnings for them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from edgeshrink.lint import lint
from tests.lint.support import NANO, board, parse

F32 = np.float32
IMAGE = "(float[1, 3, 8, 8] x) =>"
KERNEL = {"w": np.ones((4, 3, 3, 3), F32)}

FINE: dict[str, tuple[str, dict[str, Any]]] = {
    "a convolution and ReLU6": (
        f"{IMAGE} (y) {{ a = Conv<pads=[1, 1, 1, 1]>(x, w) y = Clip(a, low, high) }}",
        {**KERNEL, "low": F32(0), "high": F32(6)},
    ),
    "a head": (
        f"{IMAGE} (y) {{ a = GlobalAveragePool(x) b = Flatten(a) y = Gemm<transB=1>(b, v, c) }}",
        {"v": np.ones((5, 3), F32), "c": np.ones(5, F32)},
    ),
    "a mean over an axis": ("(float[2, 3] x) => (y) { y = ReduceMean<axes=[1]>(x) }", {}),
    "a sum over a constant axis": ("(float[2, 3] x) => (y) { y = ReduceSum(x, a) }", {"a": np.array([1])}),
    "a slice to the end": (
        "(float[2, 9] x) => (y) { y = Slice(x, start, end, axis) }",
        {"start": np.array([1]), "end": np.array([2**63 - 1]), "axis": np.array([1])},
    ),
    "nearest resizing": (
        f'{IMAGE} (y) {{ y = Resize<mode="nearest", coordinate_transformation_mode="asymmetric", '
        'nearest_mode="floor">(x, , twice) }',
        {"twice": np.array([1, 1, 2, 2], F32)},
    ),
    "linear resizing to a size": (
        f'{IMAGE} (float[1, 3, 9, 9] y) {{ y = Resize<mode="linear">(x, , , size) }}',
        {"size": np.array([1, 3, 9, 9])},
    ),
    "a shape that is computed from shapes": (
        f"{IMAGE} (y) {{ s = Shape(x) n = Gather(s, i) u = Unsqueeze(n, z) c = Concat<axis=0>(u, rest) "
        "y = Reshape(x, c) }",
        {"i": np.array(0), "z": np.array([0]), "rest": np.array([-1])},
    ),
    "attention": (
        "(float[1, 8, 16] x) => (y) { q = MatMul(x, v) k = MatMul(x, v) t = Transpose<perm=[0, 2, 1]>(k) "
        "s = MatMul(q, t) p = Softmax<axis=-1>(s) y = MatMul(p, q) }",
        {"v": np.ones((16, 16), F32)},
    ),
    "uneven parts of stated sizes": (
        "(float[2, 7] x) => (a, b) { a, b = Split<axis=1>(x, sizes) }",
        {"sizes": np.array([4, 3])},
    ),
    "normalizations": (
        f"{IMAGE} (y) {{ a = BatchNormalization(x, s, s, s, s) y = InstanceNormalization(a, s, s) }}",
        {"s": np.ones(3, F32)},
    ),
    "padding": (
        f"{IMAGE} (y) {{ y = Pad(x, by, zero) }}",
        {"by": np.array([0, 0, 1, 1, 0, 0, 1, 1]), "zero": F32(0)},
    ),
    "the largest three": (
        "(float[1, 9] x) => (y) { y, i = TopK(x, three) }",
        {"three": np.array([3])},
    ),
    "a choice": ("(float[2] x) => (y) { c = Greater(x, zero) y = Where(c, x, zero) }", {"zero": F32(0)}),
    "GELU": (
        "(float[2] x) => (y) { a = Mul(x, root) b = Erf(a) c = Add(b, one) d = Mul(x, c) y = Mul(d, half) }",
        {"root": F32(0.70710678), "one": F32(1), "half": F32(0.5)},
    ),
    "an embedding": (
        "(int32[1, 4] x) => (y) { y = Gather(table, x) }",
        {"table": np.arange(36, dtype=F32).reshape(9, 4)},
    ),
    "a pool that rounds up": (
        f"{IMAGE} (y) {{ y = MaxPool<kernel_shape=[3, 3], strides=[2, 2], ceil_mode=1>(x) }}",
        {},
    ),
    "an LSTM": (
        "(float[5, 1, 3] x) => (y) { y = LSTM<hidden_size=2>(x, u, r) }",
        {"u": np.ones((1, 8, 3), F32), "r": np.ones((1, 8, 2), F32)},
    ),
    "a convolution over a line": (
        "(float[1, 3, 9] x) => (y) { y = Conv(x, line) }",
        {"line": np.ones((4, 3, 3), F32)},
    ),
    "quantized weights": (
        "(float[2, 2] x) => (y) { a = DequantizeLinear(q, s, z) y = MatMul(x, a) }",
        {"q": np.ones((2, 2), np.int8), "s": F32(0.1), "z": np.int8(0)},
    ),
}


@pytest.mark.parametrize("name", FINE)
def test_what_is_fine_is_let_pass(name: str) -> None:
    text, constants = FINE[name]
    on = board(fast_int8=True) if name == "quantized weights" else NANO
    assert [finding for finding in lint(parse(text, **constants), on) if finding.severity != "note"] == []


def test_many_traps_in_one_network_are_all_found() -> None:
    text = (
        "(float16[2, 7] x, int64[1] axis) => (y) { "
        "a = ReduceMax(x, axis) b = Clip(x, half) c, d = Split<axis=1, num_outputs=2>(x) "
        "e = HardSwish(b) f = Pad(b, crop) g = Add(e, e) h = MatMul(axis, axis) i = Shape<start=1>(x) "
        "y = Reshape(g, flat) }"
    )
    constants = {"half": np.float16(1), "crop": np.array([0, -1, 0, 0]), "flat": np.array([-1])}
    errors = {(f.operator, f.rule) for f in lint(parse(text, 18, **constants), NANO) if f.severity == "error"}
    assert errors == {
        ("ReduceMax", "silent-trap"),
        ("Clip", "silent-trap"),
        ("Split", "silent-trap"),
        ("HardSwish", "unsupported-operator"),
        ("Pad", "negative-constant"),
        ("MatMul", "refused-type"),
        ("Shape", "silent-trap"),
        ("Reshape", "silent-trap"),
    }
