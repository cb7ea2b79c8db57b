"""MaxPool(x){ceil_mode=1} -> MaxPool(x){pads widened at the end}: the windows ceil_mode adds, spelt out.

Exact for MaxPool (padding is minus infinity), for LpPool (it is zero, and adds nothing) and for AveragePool
that does not count its padding. One that counts it counts what its pads say and not what ceil_mode adds: so
those pads become zeros of the picture, which an AveragePool that counts no padding counts. Opsets 19 and 22
write down what torch and ONNX Runtime did all along, that a last window wholly in the padding is none; the
inference of older opsets still counts it, so the number of windows is reckoned here.
"""

from __future__ import annotations

from collections.abc import Sequence

import onnx_ir as ir

from edgeshrink.lower.rule import NodeRule, Recorder

__all__ = ["LowerPoolCeilMode", "missing_padding", "static_sizes"]


class LowerPoolCeilMode(NodeRule):
    """Fires on explicit pads and static shapes."""

    op_types = frozenset({"MaxPool", "AveragePool", "LpPool"})
    native_from = 22

    def rewrite(self, node: ir.Node, op: Recorder) -> Sequence[ir.Value] | None:
        """Widen the end pads until the floor formula gives the same output size."""
        x, given = node.inputs[0], node.attributes
        ceil = given.get_int("ceil_mode", 0)
        if node.op_type == "LpPool" and self.opset >= 18:
            return None  # which has had ceil_mode since
        if ceil == 0 or given.get_string("auto_pad", "NOTSET") != "NOTSET":
            return None
        sizes, kernel = static_sizes(x), given.get_ints("kernel_shape")
        if len(node.outputs) > 1 or sizes is None or kernel is None:
            return None
        rank = len(kernel)
        strides, dilations = given.get_ints("strides", [1] * rank), given.get_ints("dilations", [1] * rank)
        pads = list(given.get_ints("pads", [0] * (2 * rank)))
        reaches = [dilation * (k - 1) + 1 for dilation, k in zip(dilations, kernel, strict=True)]
        extra = [
            missing_padding(size, stride, reach, begin, end)
            for size, stride, reach, begin, end in zip(
                sizes, strides, reaches, pads[:rank], pads[rank:], strict=True
            )
        ]
        counts = node.op_type == "AveragePool" and given.get_int("count_include_pad", 0) == 1
        kept = {name: attribute.value for name, attribute in given.items() if name != "ceil_mode"}
        if any(extra) and counts:
            padded = op("Pad", x, op.constant([0, 0, *pads[:rank], 0, 0, *pads[rank:]])) if any(pads) else x
            kept |= {"count_include_pad": 0, "pads": [*[0] * rank, *extra]}
            return [op.op(node.op_type, [padded], kept)]
        ends = [pad + more for pad, more in zip(pads[rank:], extra, strict=True)]
        if any(pad >= k for pad, k in zip([*pads[:rank], *ends], [*kernel, *kernel], strict=True)):
            return None  # runtimes refuse padding as wide as the kernel
        return [op.op(node.op_type, [x], kept | {"pads": [*pads[:rank], *ends]})]


def missing_padding(size: int, stride: int, reach: int, begin: int, end: int) -> int:
    """How much padding the last window lacks; a window that would begin in the end padding is none."""
    steps = -(-(size + begin + end - reach) // stride)
    if steps * stride >= size + begin:
        steps -= 1
    return max(0, steps * stride + reach - (size + begin + end))


def static_sizes(value: ir.Value | None) -> list[int] | None:
    """The spatial sizes of a value of shape (N, C, ...), where all are known."""
    if value is None or value.shape is None:
        return None
    sizes = [size for size in value.shape[2:] if isinstance(size, int)]
    return sizes if len(sizes) == value.shape.rank() - 2 else None
