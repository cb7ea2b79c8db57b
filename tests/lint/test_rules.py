"""Each rule by a tiny model that trips it and one that does not, on a Jetson Nano with its own parser."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from edgeshrink.lint import RULES
from tests.lint.support import CPU, NANO, board, hits

F32, I64 = np.float32, np.int64


@dataclass(frozen=True)
class Case:
    """A rule, a graph that trips it and one that does not."""

    rule: str
    bad: str
    good: str
    constants: dict[str, Any] = field(default_factory=dict)
    opset: int = 13
    on: Any = NANO
    name: str = ""


RELU = "(float[2] x) => (float[2] y) { y = Relu(x) }"
WEIGHT = {"w": np.ones((4, 3, 3, 3), F32), "b": np.zeros(4, F32)}
IMAGE = "(float[1, 3, 8, 8] x) =>"
STEPS = "(float[5, 1, 3] x) => (float[5, 1, 1, 2] y)"
BOTH = "(float[5, 1, 3] x) => (float[5, 2, 1, 2] y)"
GRU = {"w": np.ones((1, 6, 3), F32), "r": np.ones((1, 6, 2), F32)}
GRU_BOTH = {"w": np.ones((2, 6, 3), F32), "r": np.ones((2, 6, 2), F32)}
QUANTIZED = {"s": F32(0.1), "zero": np.int8(0), "off": np.int8(3), "unsigned": np.uint8(0)}
IF = (
    "(bool[1] c, float[2] x) => (float[n] y) {{ y = If (c) <"
    "then_branch = one () => (float[{}] {}) {{ {} = Relu(x) }}, "
    "else_branch = two () => (float[2] q) {{ q = Neg(x) }} > }}"
)
LOOP = (
    "(float[2] x) => (float[2] y, float[n, 2] all) {{ y, all = Loop ({}, go, x) < body = "
    "step (int64 i, bool on, float[2] s) => (bool more, float[2] t, float[2] u) "
    "{{ more = Identity(on) t = Relu(s) u = Relu(s) }} > }}"
)
TENSORFLOW = 'coordinate_transformation_mode="tf_half_pixel_for_nn"'
ACTIVATIONS = '{{ y, h = GRU<hidden_size=2, direction="bidirectional", activations={}>(x, w, r) }}'


def chain(op: str, count: int, kind: str, attributes: str = "") -> str:
    names = ["x", *(f"v{index}" for index in range(count - 1)), "y"]
    body = " ".join(f"{b} = {op}{attributes}({a})" for a, b in pairwise(names))
    return f"({kind} x) => ({kind} y) {{ {body} }}"


CASES = [
    Case(
        "rank",
        "(float[1, 3, 4, 4, 4, 4] x) => (y) { y = Conv(x, deep) }",
        f"{IMAGE} (y) {{ y = Conv(x, w) }}",
        {**WEIGHT, "deep": np.ones((4, 3, 1, 1, 1, 1), F32)},
        name="a convolution over four dimensions",
    ),
    Case(
        "rank",
        "(float[1, 3, 4, 4, 4, 4] x) => (y) { y = MaxPool<kernel_shape=[1, 1, 2, 2]>(x) }",
        "(float[1, 3, 4, 4, 4] x) => (y) { y = MaxPool<kernel_shape=[1, 2, 2]>(x) }",
        name="a pool over four dimensions",
    ),
    Case(
        "attribute-value",
        f'{IMAGE} (y) {{ y = Resize<coordinate_transformation_mode="tf_crop_and_resize">(x, roi, scales) }}',
        f'{IMAGE} (y) {{ y = Resize<coordinate_transformation_mode="asymmetric">(x, , scales) }}',
        {"scales": np.array([1, 1, 2, 2], F32), "roi": np.array([0, 0, 0, 0, 1, 1, 1, 1], F32)},
        name="a coordinate transformation of Resize",
    ),
    Case("unsupported-operator", "(float[3, 3] x) => (float[3, 3] y) { y = Trilu(x) }", RELU, opset=14),
    Case("foreign-operator", "(float[2] x) => (float[2] y) { y = own.Thing(x) }", RELU),
    Case(
        "operator-type",
        "(bool[2] x, int64[1] i) => (bool[1] y) { y = Gather(x, i) }",
        "(float[2] x, int64[1] i) => (float[1] y) { y = Gather(x, i) }",
    ),
    Case(
        "refused-type",
        "(int64[2, 2] x) => (int64[2, 2] y) { y = MatMul(x, x) }",
        "(float[2, 2] x) => (float[2, 2] y) { y = MatMul(x, x) }",
    ),
    Case(
        "refused-type",
        "(int32[3] x) => (int64[1] y) { y = ArgMax(x) }",
        "(int32[3] x) => (int32[3] y) { y = Neg(x) }",
        name="the largest of integers",
    ),
    Case(
        "input-missing",
        "(float[2] x) => (y) { y = QuantizeLinear(x, s) }",
        "(float[2] x) => (y) { y = QuantizeLinear(x, s, zero) }",
        QUANTIZED,
    ),
    Case(
        "transposed-padding",
        "(float[1, 3, 4, 4, 4] x) => (y) { y = ConvTranspose<pads=[1, 1, 1, 0, 0, 0]>(x, cube) }",
        "(float[1, 3, 4, 4, 4] x) => (y) { y = ConvTranspose<pads=[1, 1, 1, 1, 1, 1]>(x, cube) }",
        {"cube": np.ones((3, 4, 3, 3, 3), F32)},
    ),
    Case(
        "resize-rounding",
        f'{IMAGE} (y) {{ y = Resize<{TENSORFLOW}, nearest_mode="floor">(x, , scales) }}',
        f"{IMAGE} (y) {{ y = Resize<{TENSORFLOW}>(x, , scales) }}",
        {"scales": np.array([1, 1, 2, 2], F32)},
    ),
    Case(
        "squeeze-of-open-sizes",
        "(float[1, n, 1] x) => (y) { y = Squeeze(x) }",
        "(float[1, n, 1] x) => (y) { y = Squeeze(x, last) }",
        {"last": np.array([2])},
    ),
    Case(
        "negative-constant",
        "(float[3] x) => (y) { y = Pad(x, crop) }",
        "(float[3] x) => (y) { y = Pad(x, wide) }",
        {"crop": np.array([-1, 0]), "wide": np.array([0, 1])},
    ),
    Case(
        "input-not-constant",
        "(float limit) => (y) { y = Range(zero, limit, one) }",
        "(int32 limit) => (y) { y = Range(whole, limit, step) }",
        {"zero": F32(0), "one": F32(1), "whole": np.int32(0), "step": np.int32(1)},
        name="a range of floats",
    ),
    Case(
        "refused-type",
        "(bool[2] c, bool[2] a) => (bool[2] y) { y = Where(c, a, a) }",
        "(bool[2] c, float[2] a) => (float[2] y) { y = Where(c, a, a) }",
        name="of what Where chooses from",
    ),
    Case(
        "input-not-constant",
        "(float[1, 3, 8, 8] x, float[4, 3, 3, 3] k) => (y) { y = Conv(x, k, b) }",
        f"{IMAGE} (y) {{ y = Conv(x, w, b) }}",
        WEIGHT,
        name="a convolution's weights",
    ),
    Case(
        "input-not-constant",
        "(float[1, 9] x, int64[1] k) => (y, i) { y, i = TopK(x, k) }",
        "(float[1, 9] x) => (y, i) { y, i = TopK(x, three) }",
        {"three": np.array([3])},
        name="K",
    ),
    Case(
        "attribute-value",
        f'{IMAGE} (y) {{ y = Resize<mode="cubic">(x, , scales) }}',
        f'{IMAGE} (y) {{ y = Resize<mode="linear">(x, , scales) }}',
        {"scales": np.array([1, 1, 2, 2], F32)},
        name="a mode of Resize",
    ),
    Case(
        "attribute-value",
        f"{IMAGE} (y) {{ y = MaxPool<kernel_shape=[2, 2], dilations=[1, 2]>(x) }}",
        f"{IMAGE} (y) {{ y = MaxPool<kernel_shape=[2, 2], dilations=[1, 1]>(x) }}",
        name="a dilated pool",
    ),
    Case(
        "attribute-value",
        f"{STEPS} {{ y, h, c = LSTM<hidden_size=2, input_forget=1>(x, w, r) }}",
        f"{STEPS} {{ y, h, c = LSTM<hidden_size=2, input_forget=0>(x, w, r) }}",
        {"w": np.ones((1, 8, 3), F32), "r": np.ones((1, 8, 2), F32)},
        name="coupled gates",
    ),
    Case(
        "rank",
        "(float[1, 3, 2, 2, 2, 2] x) => (y) { y = InstanceNormalization(x, s, s) }",
        f"{IMAGE} (y) {{ y = InstanceNormalization(x, s, s) }}",
        {"s": np.ones(3, F32)},
    ),
    Case(
        "restricted-operator",
        "(float[3, 2] x) => (y) { y = ReverseSequence(x, lengths) }",
        RELU,
        {"lengths": np.array([2, 1])},
    ),
    Case("opset-untested", RELU, RELU.replace("Relu", "Abs"), opset=18, name="beyond 13"),
    Case("tensor-type", "(uint16[2] x) => (float[2] y) { y = Cast<to=1>(x) }", RELU),
    Case(
        "tensor-type",
        "(float[2] x) => (float[2] y) { a = Cast<to=2>(x) y = Cast<to=1>(a) }",
        "(float[2] x) => (y) { a = Cast<to=1>(bytes) y = Add(x, a) }",
        {"bytes": np.array([1, 2], np.uint8)},
        name="UINT8 outside constants",
    ),
    Case(
        "int64-overflow",
        "(int64[1] x) => (int64[1] y) { y = Add(x, far) }",
        "(int64[1] x) => (int64[1] y) { y = Add(x, near) }",
        {"far": np.array([2**40]), "near": np.array([2**30])},
    ),
    Case(
        "int64-overflow",
        "(int64[1] x) => (int64[1] y) { y = Add(x, far) }",
        "(float[4] x) => (y) { y = Slice(x, zero, far) }",
        {"far": np.array([2**63 - 1]), "zero": np.array([0])},
        name="but not of a slice to the end",
    ),
    Case(
        "double-overflow",
        "(double[1] x) => (double[1] y) { y = Add(x, far) }",
        "(double[1] x) => (double[1] y) { y = Add(x, near) }",
        {"far": np.array([1e300]), "near": np.array([1e30])},
    ),
    Case("double-narrowed", "(double[1] x) => (double[1] y) { y = Relu(x) }", RELU),
    Case("narrowed-interface", "(int64[1] x) => (float[1] y) { y = Cast<to=1>(x) }", RELU),
    Case("uint8-input", "(uint8[1] x) => (float[1] y) { y = Cast<to=1>(x) }", RELU),
    Case("bool-input", "(bool[1] x) => (float[1] y) { y = Cast<to=1>(x) }", RELU),
    Case(
        "clip-computed-bound",
        "(float16[2] x, float16 low) => (y) { y = Clip(x, low) }",
        "(float[2] x, float low) => (y) { y = Clip(x, low) }",
    ),
    Case("open-size", "(float[n, 2] x) => (float[n, 2] y) { y = Relu(x) }", RELU),
    Case(
        "too-many-dimensions",
        "(float[1, 1, 1, 1, 1, 1, 1, 1, 2] x) => (y) { y = Relu(x) }",
        "(float[1, 1, 1, 1, 1, 1, 1, 2] x) => (y) { y = Relu(x) }",
    ),
    Case(
        "convolution-in-1d",
        "(float[1, 3, 8] x) => (y) { y = Conv(x, line) }",
        f"{IMAGE} (y) {{ y = Conv(x, w) }}",
        {**WEIGHT, "line": np.ones((4, 3, 3), F32)},
    ),
    Case(
        "computed-weights",
        "(float[1, 3, 8, 8] x, float[4, 3, 3, 3] k) => (y) { y = Conv(x, k) }",
        f"{IMAGE} (y) {{ y = Conv(x, w) }}",
        WEIGHT,
        on=board(tensorrt="8.6"),
    ),
    Case(
        "pool-indices",
        f"{IMAGE} (y, i) {{ y, i = MaxPool<kernel_shape=[2, 2]>(x) }}",
        f"{IMAGE} (y) {{ y = MaxPool<kernel_shape=[2, 2]>(x) }}",
    ),
    Case(
        "dropout-in-training",
        "(float[2] x) => (y) { y = Dropout(x, half, yes) }",
        "(float[2] x) => (y) { y = Dropout(x, half, no) }",
        {"half": F32(0.5), "yes": np.array(True), "no": np.array(False)},
    ),
    Case(
        "einsum-equation",
        '(float[3, 3] x) => (float[3] y) { y = Einsum<equation="ii->i">(x) }',
        '(float[3, 3] x) => (float[3] y) { y = Einsum<equation="ij->i">(x) }',
        name="a diagonal",
    ),
    Case(
        "einsum-equation",
        '(float[3, 4] x, float[1, 5] z) => (y) { y = Einsum<equation="ij,ik->jk">(x, z) }',
        '(float[3, 4] x, float[3, 5] z) => (y) { y = Einsum<equation="ij,ik->jk">(x, z) }',
        name="broadcasting",
    ),
    Case(
        "resize-axes",
        '(float[1, 3, 4, 4, 4] x) => (float[1, 6, 4, 4, 4] y) { y = Resize<mode="linear">(x, , deep) }',
        '(float[1, 3, 4, 4, 4] x) => (float[1, 3, 8, 4, 4] y) { y = Resize<mode="linear">(x, , flat) }',
        {"deep": np.array([1, 2, 1, 1, 1], F32), "flat": np.array([1, 1, 2, 1, 1], F32)},
    ),
    Case(
        "resize-by-computed-size",
        "(float[1, 3, 4, 4] x, float[4] s) => (y) { y = Resize(x, , s) }",
        "(float[1, 3, 4, 4] x) => (y) { y = Resize(x, , scales) }",
        {"scales": np.array([1, 1, 2, 2], F32)},
    ),
    Case("no-int8", "(float[2] x) => (y) { y = QuantizeLinear(x, s, zero) }", RELU, QUANTIZED),
    Case(
        "zero-point",
        "(float[2] x) => (y) { y = QuantizeLinear(x, s, off) }",
        "(float[2] x) => (y) { y = QuantizeLinear(x, s, zero) }",
        QUANTIZED,
    ),
    Case(
        "unsigned-quantization",
        "(float[2] x) => (y) { y = QuantizeLinear(x, s, unsigned) }",
        "(float[2] x) => (y) { y = QuantizeLinear(x, s, zero) }",
        QUANTIZED,
    ),
    Case("if-branches", IF.format(3, "p", "p"), IF.format(2, "p", "p"), name="shapes"),
    Case("if-branches", IF.format(2, "q", "q"), IF.format(2, "p", "p"), name="names"),
    Case(
        "loop-without-count",
        LOOP.format(""),
        LOOP.format("count"),
        {"go": np.array(True), "count": np.array(3)},
    ),
    Case("control-flow", IF.format(2, "p", "p"), RELU),
    Case(
        "topk-too-large",
        "(float[1, 5000] x) => (y, i) { y, i = TopK(x, many) }",
        "(float[1, 5000] x) => (y, i) { y, i = TopK(x, most) }",
        {"many": np.array([3841]), "most": np.array([3840])},
    ),
    Case(
        "topk-axis",
        "(float[5, 1, 1, 1, 2] x) => (y, i) { y, i = TopK<axis=0>(x, one) }",
        "(float[5, 1, 1, 1, 2] x) => (y, i) { y, i = TopK<axis=-4>(x, one) }",
        {"one": np.array([1])},
    ),
    Case(
        "nms-in-the-network",
        "(float[1, 9, 4] b, float[1, 2, 9] s) => (y) { y = NonMaxSuppression(b, s) }",
        RELU,
    ),
    Case(
        "directions-differ",
        BOTH + ACTIVATIONS.format('["Sigmoid", "Tanh", "Sigmoid", "Relu"]'),
        BOTH + ACTIVATIONS.format('["Sigmoid", "Relu", "Sigmoid", "Relu"]'),
        GRU_BOTH,
    ),
    Case("recurrent-loop", f"{STEPS} {{ y, h = GRU<hidden_size=2>(x, w, r) }}", RELU, GRU),
    Case(
        "one-number-many-times",
        "(float[1] x) => (y) { y = Add(x, same) }",
        "(float[1] x) => (y) { y = Add(x, other) }",
        {"same": np.ones(2**19, F32), "other": np.arange(2**19, dtype=F32)},
    ),
    Case(
        "more-than-memory",
        "(float[1000] x) => (y) { y = Relu(x) }",
        "(float[100] x) => (y) { y = Relu(x) }",
        on=board(memory_bytes=5000),
    ),
    Case(
        "much-of-memory",
        "(float[10] x) => (y) { y = Add(x, large) }",
        "(float[10] x) => (y) { y = Add(x, small) }",
        {"large": np.arange(10 * 100, dtype=F32).reshape(100, 10), "small": np.ones(10, F32)},
        on=board(memory_bytes=10_000),
    ),
    Case(
        "many-transposes",
        chain("Transpose", 4, "float[1, 2, 3, 4]", "<perm=[0, 3, 1, 2]>"),
        chain("Transpose", 4, "float[1, 1, 3, 1]", "<perm=[0, 3, 1, 2]>"),
    ),
    Case(
        "grouped-convolution",
        f"{IMAGE} (y) {{ y = Conv<group=3>(x, k) }}",
        f"{IMAGE} (y) {{ y = Conv(x, w) }}",
        {**WEIGHT, "k": np.ones((3, 1, 3, 3), F32)},
    ),
    Case(
        "odd-depthwise",
        f"{IMAGE} (y) {{ y = Conv<group=3>(x, k) }}",
        "(float[1, 8, 8, 8] x) => (y) { y = Conv<group=8>(x, even) }",
        {"k": np.ones((3, 1, 3, 3), F32), "even": np.ones((8, 1, 3, 3), F32)},
    ),
    Case(
        "channels-by-index",
        f"{IMAGE} (y) {{ y = Gather<axis=1>(x, order) }}",
        f"{IMAGE} (y) {{ y = Gather<axis=2>(x, order) }}",
        {"order": np.array([2, 0])},
    ),
    Case("many-tiny-nodes", chain("Sigmoid", 50, "float[4]"), chain("Sigmoid", 49, "float[4]")),
    Case(
        "fp16-constant",
        "(float[2] x) => (y) { y = Add(x, far) }",
        "(float[2] x) => (y) { y = Add(x, mask) }",
        {"far": np.array([0, -3.4e38], F32), "mask": np.array([0, -np.inf], F32)},
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.rule} {case.name}".strip())
def test_a_rule_trips_on_what_it_is_about(case: Case) -> None:
    assert hits(case.bad, case.rule, opset=case.opset, on=case.on, **case.constants)


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.rule} {case.name}".strip())
def test_a_rule_is_silent_on_what_is_right(case: Case) -> None:
    opset = 13 if case.rule == "opset-untested" else case.opset
    assert not hits(case.good, case.rule, opset=opset, on=case.on, **case.constants)


ELSEWHERE = {
    "fp16-no-gain",
    "int8-unknown",
    "int8-without-ranges",
    "unknown-parser",
    "ir-version",
    "ir-version-refused",
    "external-data",
    "silent-trap",
    "possible-trap",
}


def test_every_rule_has_a_case() -> None:
    assert {case.rule for case in CASES} | ELSEWHERE == set(RULES)


def test_on_a_cpu_the_rules_of_tensorrt_are_silent() -> None:
    spoken = {
        case.rule for case in CASES if hits(case.bad, case.rule, opset=case.opset, on=CPU, **case.constants)
    }
    assert spoken <= {"one-number-many-times"}
