"""What the tests of the modules share: the way to ONNX and back."""

from __future__ import annotations

import onnx_ir as ir
import torch
from torch import Tensor, nn

from edgeshrink.inputs import InputSpec
from edgeshrink.trace import trace_module
from edgeshrink.verify import run_onnx


def traced(layer: nn.Module, x: Tensor) -> ir.Model:
    """The module as ONNX, written by the exporter that needs no Python at run time."""
    found = trace_module(layer, [InputSpec(None, tuple(x.shape))])
    assert found.exporter == "dynamo"
    return found.model


def computed(model: ir.Model, x: Tensor) -> Tensor:
    """What ONNX Runtime computes."""
    [outputs] = run_onnx(model, [{str(model.graph.inputs[0].name): x.numpy()}])
    return torch.from_numpy(outputs["output"])


def operators(model: ir.Model) -> set[str]:
    return {node.op_type for node in model.graph}
