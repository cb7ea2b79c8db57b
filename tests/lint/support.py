"""Tiny models in ONNX text, linted for a board and by a parser whose table is as small as the test."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir

from edgeshrink.devices import Device, device
from edgeshrink.lint import Finding, lint
from edgeshrink.parsers import Operator, Parser, Trap

NANO = device("jetson-nano")
CPU = device("onnxruntime-cpu")


def parse(text: str, opset: int = 13, ir_version: int = 7, **constants: Any) -> ir.Model:
    """`text` is a graph, `(float[2] x) => (float[2] y) { y = Relu(x) }`; constants become initializers."""
    header = f'<ir_version: {ir_version}, opset_import: ["" : {opset}, "own" : 1]> main '
    proto = onnx.parser.parse_model(header + text)
    made = [onnx.numpy_helper.from_array(np.asarray(array), name) for name, array in constants.items()]
    proto.graph.initializer.extend(made)
    return ir.serde.deserialize_model(proto)


def parser(*operators: Operator) -> Parser:
    """A parser of version 8.2 that knows these operators and nothing else."""
    table = {operator.op_type: operator for operator in operators}
    types = ("FLOAT", "FLOAT16", "INT32", "INT8", "BOOL")
    narrowed = {"INT64": "INT32", "DOUBLE": "FLOAT"}
    return Parser("stub", "8.2", 13, types, narrowed, table, "a test")


def trap(name: str) -> Trap:
    return Trap(name, "It goes wrong.", "a test")


def found(model: ir.Model, rule: str, on: Device = NANO, **options: Any) -> list[Finding]:
    """The findings of one rule, with the board's own parser unless told."""
    return [finding for finding in lint(model, on, **options) if finding.rule == rule]


def hits(text: str, rule: str, *, opset: int = 13, on: Device = NANO, **constants: Any) -> bool:
    """Whether a rule says anything of a graph."""
    return bool(found(parse(text, opset, **constants), rule, on))


def board(**facts: Any) -> Device:
    """A Nano with other facts."""
    return replace(NANO, **facts)
