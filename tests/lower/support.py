"""Models in ONNX text, lowered and compared with themselves."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace

import numpy as np
import onnx
import onnx_ir as ir

from edgeshrink.devices import device
from edgeshrink.inputs import random_inputs
from edgeshrink.lower import LowerReport, lower
from edgeshrink.verify import compare_outputs, run_onnx

NANO = device("jetson-nano")


@dataclass
class Lowered:
    model: ir.Model
    report: LowerReport
    ops: Counter[str]

    def node(self, op_type: str) -> ir.Node:
        (found,) = [node for node in self.model.graph if node.op_type == op_type]
        return found


def parse(text: str, opset: int = 18, **constants: np.ndarray) -> ir.Model:
    """`text` is a graph, `(float[2] x) => (float[2] y) { y = Relu(x) }`; constants become initializers."""
    header = f'<ir_version: 10, opset_import: ["" : {opset}]> main '
    proto = onnx.parser.parse_model(header + text)
    made = [onnx.numpy_helper.from_array(np.asarray(array), name) for name, array in constants.items()]
    proto.graph.initializer.extend(made)
    return ir.serde.deserialize_model(proto)


def lowered(model: ir.Model, opset: int = 13) -> Lowered:
    """Lower for a Jetson Nano, or to another opset for a runtime that takes all of it."""
    plain = replace(NANO, opset=opset, runtime="onnxruntime", tensorrt=None)
    report = lower(model, NANO if opset == 13 else plain)
    return Lowered(model, report, Counter(node.op_type for node in model.graph.all_nodes()))


def lowered_same(model: ir.Model, opset: int = 13, samples: int = 3) -> Lowered:
    """Lower, and require the outputs of before within the default tolerance (verify.py gives its reason)."""
    feeds = random_inputs(model, samples)
    before = run_onnx(model, feeds)
    after = lowered(model, opset)
    parity = compare_outputs(before, run_onnx(after.model, feeds))
    assert parity.ok, parity.worst
    assert after.model.graph.opset_imports == {"": opset}
    return after
