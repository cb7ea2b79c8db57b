"""Silent traps, on the parsers that have them; every trap of every table is known here."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from edgeshrink.lint.traps import CONDITIONS
from edgeshrink.parsers import Operator, parsers
from tests.lint.support import board, found, parse, parser, trap

F32 = np.float32
GRU = {"w": np.ones((1, 6, 3), F32), "r": np.ones((1, 6, 2), F32)}
ROW = "(float[2, 7] x) =>"


@dataclass(frozen=True)
class Case:
    """A trap, the opset, a graph that falls into it, one that does not, and the constants of both."""

    trap: str
    opset: int
    bad: str
    good: str
    constants: dict[str, Any] = field(default_factory=dict)


def scatter(reduction: str) -> str:
    made = f'y = ScatterElements<axis=1, reduction="{reduction}">(x, i, u)'
    return f"{ROW} (y) {{ {made} }}"


CASES = [
    Case(
        "reduce-axes-as-input",
        18,
        f"{ROW} (y) {{ y = ReduceMean(x, one) }}",
        f"{ROW} (y) {{ y = ReduceMean(x, both) }}",
        {"one": np.array([1]), "both": np.array([0, 1])},
    ),
    Case(
        "reduce-noop-ignored",
        18,
        f"{ROW} (y) {{ y = ReduceMean<noop_with_empty_axes=1>(x) }}",
        f"{ROW} (y) {{ y = ReduceMean(x) }}",
    ),
    Case(
        "clip-bound-read-as-float32",
        13,
        "(float16[2] x) => (y) { y = Clip(x, half) }",
        "(float[2] x) => (y) { y = Clip(x, whole) }",
        {"half": np.float16(1), "whole": F32(1)},
    ),
    Case(
        "reshape-allowzero-required",
        14,
        f"{ROW} (y) {{ y = Reshape(x, flat) }}",
        f"{ROW} (y) {{ y = Reshape<allowzero=0>(x, flat) }}",
        {"flat": np.array([-1])},
    ),
    Case(
        "split-uneven",
        18,
        f"{ROW} (a, b) {{ a, b = Split<axis=1, num_outputs=2>(x) }}",
        f"{ROW} (a, b) {{ a, b = Split<axis=0, num_outputs=2>(x) }}",
    ),
    Case(
        "recurrent-layout-ignored",
        14,
        "(float[1, 5, 3] x) => (y) { y = GRU<hidden_size=2, layout=1>(x, w, r) }",
        "(float[5, 1, 3] x) => (y) { y = GRU<hidden_size=2, layout=0>(x, w, r) }",
        GRU,
    ),
    Case(
        "resize-opset-18-attributes-ignored",
        18,
        '(float[1, 1, 4, 4] x) => (y) { y = Resize<mode="linear", antialias=1>(x, , half) }',
        '(float[1, 1, 4, 4] x) => (y) { y = Resize<mode="linear", antialias=0>(x, , half) }',
        {"half": np.array([1, 1, 0.5, 0.5], F32)},
    ),
    Case(
        "shape-start-end-ignored",
        15,
        f"{ROW} (y) {{ y = Shape<start=1>(x) }}",
        f"{ROW} (y) {{ y = Shape<start=0, end=2>(x) }}",
    ),
    Case(
        "scatter-reduction-ignored",
        16,
        scatter("add"),
        scatter("none"),
        {"i": np.array([[1], [1]]), "u": np.ones((2, 1), F32)},
    ),
    Case(
        "topk-largest-ignored",
        13,
        f"{ROW} (y, i) {{ y, i = TopK<largest=0>(x, one) }}",
        f"{ROW} (y, i) {{ y, i = TopK<largest=1>(x, one) }}",
        {"one": np.array([1])},
    ),
    Case(
        "pad-axes-ignored",
        18,
        f"{ROW} (y) {{ y = Pad(x, two, zero, one) }}",
        f"{ROW} (y) {{ y = Pad(x, four, zero) }}",
        {"two": np.array([1, 1]), "four": np.array([0, 1, 0, 1]), "zero": F32(0), "one": np.array([1])},
    ),
    Case(
        "pad-value-read-as-float32",
        13,
        "(float16[2] x) => (y) { y = Pad(x, by, half) }",
        "(float16[2] x) => (y) { y = Pad(x, by, none) }",
        {"by": np.array([1, 1]), "half": np.float16(0.5), "none": np.float16(0)},
    ),
    Case(
        "batch-normalization-training-mode-ignored",
        14,
        "(float[2, 3, 4] x) => (y, m, v) { y, m, v = BatchNormalization<training_mode=1>(x, a, a, a, a) }",
        "(float[2, 3, 4] x) => (y) { y = BatchNormalization<training_mode=0>(x, a, a, a, a) }",
        {"a": np.ones(3, F32)},
    ),
    Case(
        "constant-int-attribute-garbled",
        13,
        "(int64[2] x) => (y) { c = Constant<value_int=3>() y = Add(x, c) }",
        "(int64[2] x) => (y) { c = Constant<value=int64 {3}>() y = Add(x, c) }",
    ),
    Case(
        "nms-padded-output",
        13,
        "(float[1, 9, 4] b, float[1, 2, 9] s) => (y) { y = NonMaxSuppression(b, s) }",
        f"{ROW} (y) {{ y = Relu(x) }}",
    ),
    Case(
        "celu-computed-wrongly",
        13,
        "(float[2] x) => (y) { y = Celu(x) }",
        "(float[2] x) => (y) { y = Elu(x) }",
    ),
]


def traps_of(case: Case, text: str, **options: Any) -> list[str]:
    model = parse(text, case.opset, **case.constants)
    return [finding.why for finding in found(model, "silent-trap", **options) if case.trap in finding.why]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.trap)
def test_a_trap_of_the_nanos_parser_is_an_error(case: Case) -> None:
    assert len(traps_of(case, case.bad)) == 1


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.trap)
def test_a_node_beside_the_trap_is_not(case: Case) -> None:
    assert not traps_of(case, case.good)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.trap)
def test_a_parser_without_the_trap_is_not_warned_of(case: Case) -> None:
    assert not traps_of(case, case.bad, parser=parser(*(Operator(name) for name in ("ReduceMean", "Clip"))))


def test_every_trap_of_every_table_is_known() -> None:
    tables = {trap.id for line in parsers() for entry in line.operators.values() for trap in entry.traps}
    assert tables <= CONDITIONS.keys()
    assert {case.trap for case in CASES} == CONDITIONS.keys()


def test_a_trap_nobody_knows_the_condition_of_is_told_as_possible() -> None:
    relu = parse("(float[2] x) => (float[2] y) { y = Relu(x) }")
    knows = parser(Operator("Relu", traps=(trap("relu-on-tuesdays"),)))
    (finding,) = found(relu, "possible-trap", parser=knows)
    assert "relu-on-tuesdays" in finding.why
    assert finding.severity == "warning"
    assert not found(relu, "possible-trap", parser=parser(Operator("Relu")))


def test_what_a_trap_says_of_an_attribute_is_not_said_twice() -> None:
    case = next(case for case in CASES if case.trap == "topk-largest-ignored")
    model = parse(case.bad, case.opset, **case.constants)
    assert found(model, "silent-trap")
    assert not found(model, "attribute-value")


def test_a_later_parser_reads_the_axes() -> None:
    case = CASES[0]
    assert traps_of(case, case.bad, on=board(tensorrt="8.6"))
    assert not traps_of(case, case.bad, on=board(tensorrt="10.3"))
