"""Small models in ONNX text, baked and compared.

Two networks count as equal when no output differs by more than 2e-5 of its scale on any of 32 random inputs:
a rewrite that is exact on paper still sums in another order, which in float32 makes up to 6e-6 in deep
networks, while what a wrong rewrite does lies orders of magnitude above.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import onnx
import onnx_ir as ir
from onnx import numpy_helper

from edgeshrink.bake.base import BakePass
from edgeshrink.pipeline import bake as bake_model
from edgeshrink.proof import Inputs, PassByPass
from edgeshrink.verify import compare_outputs, run_onnx

__all__ = [
    "Arrays",
    "assert_equal",
    "bake",
    "dims",
    "feeds_of",
    "model",
    "ops",
    "parameters",
    "rng",
    "run_pass",
]

INPUTS = 32
SYMBOLIC = 4
"""What a length known only by name is at run time."""

Arrays = Mapping[str, np.ndarray]


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def model(
    text: str, arrays: Arrays | None = None, opset: int = 18, *, shapes: bool = True, strict: bool = True
) -> ir.Model:
    """A model from ONNX text, `(float[N, 3] x) => (float[N, 3] y) { y = Add(x, b) }`, and its constants.

    Args:
        text: Inputs, outputs and nodes; an output need not say its type.
        arrays: Constants by name; those the text does not name are left out.
        opset: Of the default domain.
        shapes: Whether to infer the shapes in between.
        strict: Whether all of them must be found.
    """
    header = f'<ir_version: 8, opset_import: ["" : {opset}, "custom" : 1]>\nmain '
    proto = onnx.parser.parse_model(header + text)
    read = {name for node in proto.graph.node for name in _names_read(node)}
    for name, array in (arrays or {}).items():
        if name in read:
            proto.graph.initializer.append(numpy_helper.from_array(np.asarray(array), name))
    if shapes:
        proto = onnx.shape_inference.infer_shapes(proto, strict_mode=strict, check_type=strict)
    return ir.from_proto(proto)


def _names_read(node: onnx.NodeProto) -> Iterator[str]:
    yield from node.input
    for attribute in node.attribute:
        for inner in attribute.g.node:
            yield from _names_read(inner)


def feeds_of(of: ir.Model, seed: int = 0) -> list[dict[str, np.ndarray]]:
    """At least 32 random inputs; names of lengths stand for SYMBOLIC."""
    draw = rng(seed)
    inputs = [value for value in of.graph.inputs if not value.is_initializer()]
    shapes = {v.name: [d if isinstance(d, int) else SYMBOLIC for d in v.shape] for v in inputs}
    types = {v.name: v.dtype.numpy() for v in inputs}
    return [
        {name: draw.standard_normal(shape).astype(types[name]) for name, shape in shapes.items()}
        for _ in range(INPUTS)
    ]


def assert_equal(before: ir.Model, after: ir.Model, feeds: Sequence[Arrays] | None = None) -> None:
    feeds = feeds_of(before) if feeds is None else feeds
    onnx.checker.check_model(ir.to_proto(after), full_check=True)
    parity = compare_outputs(run_onnx(before, feeds), run_onnx(after, feeds))
    assert parity.ok, parity.worst


def run_pass(before: ir.Model, *passes: type[BakePass], feeds: Sequence[Arrays] | None = None) -> ir.Model:
    """The model after these passes: each keeps what is computed, and tells truly whether it changed it."""
    after = before.clone()
    for rewrite in passes:
        text = ir.to_proto(after).SerializeToString(deterministic=True)
        result = rewrite()(after)
        assert result.modified == (ir.to_proto(after).SerializeToString(deterministic=True) != text)
    assert_equal(before, after, feeds)
    return after


def bake(before: ir.Model, feeds: Sequence[Arrays] | None = None) -> ir.Model:
    """The model after all passes of the pipeline, compared after each, so that a wrong one is named."""
    after = before.clone()
    feeds = feeds_of(before) if feeds is None else feeds
    bake_model(after, after_each=PassByPass(before, Inputs(list(feeds), len(feeds), None, "the test")))
    assert_equal(before, after, feeds)
    return after


def ops(of: ir.Model) -> Counter[str]:
    return Counter(node.op_type for node in of.graph)


def dims(of: ir.Model) -> dict[str, tuple[int, ...]]:
    """The shapes of the initializers."""
    return {name: tuple(value.shape.numpy()) for name, value in of.graph.initializers.items()}


def parameters(of: ir.Model) -> int:
    """Elements of the floating-point initializers."""
    return sum(v.const_value.size for v in of.graph.initializers.values() if v.dtype.is_floating_point())
