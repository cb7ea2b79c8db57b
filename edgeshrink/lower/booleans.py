"""Booleans where TensorRT's parser takes none: Gather(b) -> Cast(Gather(Cast(b, INT32)), BOOL), and others.

Where(c, a, b) -> (c and a) or (not c and b), for every device: ONNX Runtime has no kernel for it, and proves
what was made. Equal(a, b) -> (a and b) or not (a or b).
"""

from __future__ import annotations

from collections.abc import Sequence

import onnx_ir as ir

from edgeshrink.lower.rule import NodeRule, Recorder

__all__ = ["LowerBooleans"]

# Which inputs are booleans beside the first.
CARRIERS = {
    "Gather": (),
    "GatherElements": (),
    "GatherND": (),
    "Pad": (2,),
    "ScatterElements": (2,),
    "ScatterND": (2,),
}


class LowerBooleans(NodeRule):
    """Fires on Where, and on others where the parser's table has INT32 and no BOOL for the operator."""

    op_types = frozenset({*CARRIERS, "Equal", "Where"})
    native_from = 0

    def rewrite(self, node: ir.Node, op: Recorder) -> Sequence[ir.Value] | None:
        """Either by logic, or as the numbers 0 and 1."""
        data = node.inputs[1] if node.op_type == "Where" else node.inputs[0]
        if data is None or data.dtype != ir.DataType.BOOL:
            return None
        if node.op_type == "Where":
            which, yes, no = node.inputs
            return [op("Or", op("And", which, yes), op("And", op("Not", which), no))]
        if node.op_type == "Equal":
            both, either = (op(name, *node.inputs) for name in ("And", "Or"))
            return [op("Or", both, op("Not", either))]
        as_numbers = (0, *CARRIERS[node.op_type])
        inputs = [
            op("Cast", value, to=ir.DataType.INT32) if value is not None and index in as_numbers else value
            for index, value in enumerate(node.inputs)
        ]
        kept = {name: attribute.value for name, attribute in node.attributes.items()}
        return [op("Cast", op.op(node.op_type, inputs, kept), to=ir.DataType.BOOL)]

    def _is_foreign(self, node: ir.Node) -> bool:
        parser = self.target.parser
        types = () if parser is None else parser.types(node.op_type)
        return node.op_type == "Where" or ("INT32" in types and "BOOL" not in types)
