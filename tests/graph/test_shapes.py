"""Shapes that are inferred, and what is left alone."""

from __future__ import annotations

import onnx
import onnx_ir as ir

from edgeshrink.graph.shapes import infer_shapes
from edgeshrink.lower import check


def parsed(text: str) -> ir.Model:
    return ir.from_proto(onnx.parser.parse_model(f'<ir_version: 8, opset_import: ["":18]> main {text}'))


def test_shapes_follow_from_the_inputs() -> None:
    model = parsed("(float[2, 3] x) => (float[3, 2] y) { t = Transpose(x) y = Relu(t) }")
    assert infer_shapes(model)
    assert model.graph[0].outputs[0].shape == ir.Shape([3, 2])


def test_a_sequence_is_never_taken_for_a_tensor() -> None:
    model = parsed("""(float[2] x, int64 n, bool c) => (float[k] y) {
        s = SequenceEmpty()
        e = Loop(n, c, s) <body = step (int64 i, bool go, seq(float) in) => (bool on, seq(float) out) {
            on = Identity(go)
            out = SequenceInsert(in, x)
        }>
        y = ConcatFromSequence<axis = 0>(e)
    }""")
    infer_shapes(model)
    check(model)
    assert isinstance(model.graph[1].outputs[0].type, ir.SequenceType)
