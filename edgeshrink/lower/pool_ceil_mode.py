"""MaxPool(x){ceil_mode=1} -> MaxPool(x){pads widened at the end}: the windows ceil_mode adds, spelt out.

Exact for MaxPool (padding is minus infinity) and for AveragePool that does not count its padding. Opsets 19
and 22 changed how many windows ceil_mode means (a last window wholly in the padding is dropped), so one
attribute means two things: the output's shape decides here.
"""

from __future__ import annotations

from collections.abc import Sequence

import onnx_ir as ir

from edgeshrink.lower.rule import NodeRule, Recorder

__all__ = ["LowerPoolCeilMode"]


class LowerPoolCeilMode(NodeRule):
    """Fires on explicit pads and static shapes; on a counting AveragePool only if nothing is added."""

    op_types = frozenset({"MaxPool", "AveragePool"})
    native_from = 22

    def rewrite(self, node: ir.Node, op: Recorder) -> Sequence[ir.Value] | None:
        """Widen the end pads until the floor formula gives the same output size."""
        x, given = node.inputs[0], node.attributes
        ceil = given.get_int("ceil_mode", 0)
        if ceil == 0 or given.get_string("auto_pad", "NOTSET") != "NOTSET":
            return None
        sizes, wanted = _static(x), _static(node.outputs[0])
        kernel = given.get_ints("kernel_shape")
        if len(node.outputs) > 1 or sizes is None or wanted is None or kernel is None:
            return None
        rank = len(kernel)
        strides, dilations = given.get_ints("strides", [1] * rank), given.get_ints("dilations", [1] * rank)
        pads = list(given.get_ints("pads", [0] * (2 * rank)))
        extra = [
            max(0, (out - 1) * stride + dilation * (k - 1) + 1 - (size + pads[i] + pads[rank + i]))
            for i, (size, out, k, stride, dilation) in enumerate(
                zip(sizes, wanted, kernel, strides, dilations, strict=True)
            )
        ]
        if any(extra) and node.op_type == "AveragePool" and given.get_int("count_include_pad", 0) == 1:
            return None
        ends = [pad + more for pad, more in zip(pads[rank:], extra, strict=True)]
        if any(pad >= k for pad, k in zip([*pads[:rank], *ends], [*kernel, *kernel], strict=True)):
            return None  # runtimes refuse padding as wide as the kernel
        kept = {name: attribute.value for name, attribute in given.items() if name != "ceil_mode"}
        return [op.op(node.op_type, [x], kept | {"pads": [*pads[:rank], *ends]})]


def _static(value: ir.Value | None) -> list[int] | None:
    """The spatial sizes of a value of shape (N, C, ...), where all are known."""
    if value is None or value.shape is None:
        return None
    sizes = [size for size in value.shape[2:] if isinstance(size, int)]
    return sizes if len(sizes) == value.shape.rank() - 2 else None
