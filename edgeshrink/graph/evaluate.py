"""One node computed on small arrays, by ONNX's own reference implementation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import onnx_ir as ir
from onnx.reference import ReferenceEvaluator

__all__ = ["evaluate"]


def evaluate(node: ir.Node, inputs: Sequence[npt.NDArray[Any] | None]) -> npt.NDArray[np.generic]:
    """Compute a one-output node on the given inputs.

    Args:
        node: Any node of the default ONNX domain with one output and no subgraph.
        inputs: An array for each input of the node, None for an omitted one.

    Raises:
        NotImplementedError, RuntimeError: Where the reference has no implementation for the op.
    """
    assert node.graph is not None
    proto = ir.serde.serialize_node(node)
    del proto.input[:]
    del proto.output[:]
    proto.input.extend("" if array is None else f"in{i}" for i, array in enumerate(inputs))
    proto.output.append("out")
    feeds = {f"in{i}": array for i, array in enumerate(inputs) if array is not None}
    graph = onnx.helper.make_graph(
        [proto],
        "one_node",
        [
            onnx.helper.make_tensor_value_info(name, onnx.helper.np_dtype_to_tensor_dtype(array.dtype), None)
            for name, array in feeds.items()
        ],
        [onnx.helper.make_tensor_value_info("out", onnx.TensorProto.UNDEFINED, None)],
    )
    opset = onnx.helper.make_opsetid("", node.graph.opset_imports[""])
    with np.errstate(all="ignore"):
        (result,) = ReferenceEvaluator(onnx.helper.make_model(graph, opset_imports=[opset])).run(None, feeds)
    return np.asarray(result)
