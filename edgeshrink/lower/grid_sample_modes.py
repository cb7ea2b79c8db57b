"""GridSample(x){mode=linear} -> {mode=bilinear} below opset 20, which renamed it; cubic was bicubic."""

from __future__ import annotations

from collections.abc import Sequence

import onnx_ir as ir

from edgeshrink.lower.rule import NodeRule, Recorder

__all__ = ["LowerGridSampleModes"]

OLD_NAMES = {"linear": "bilinear", "cubic": "bicubic"}


class LowerGridSampleModes(NodeRule):
    """Fires on pictures of two dimensions; volumes came with opset 20, too."""

    op_types = frozenset({"GridSample"})
    native_from = 20

    def rewrite(self, node: ir.Node, op: Recorder) -> Sequence[ir.Value] | None:
        """The default was renamed, too."""
        x, mode = node.inputs[0], node.attributes.get_string("mode", "linear")
        if self.target.source < 20 or mode not in OLD_NAMES or x is None or x.shape is None:
            return None
        if x.shape.rank() != 4:
            return None
        kept = {name: attribute.value for name, attribute in node.attributes.items()}
        return [op.op("GridSample", node.inputs, kept | {"mode": OLD_NAMES[mode]})]
