"""Quantized networks: chips without INT8, and what the importers ask of zero points."""

from __future__ import annotations

from collections.abc import Iterator

import onnx_ir as ir

from edgeshrink.lint.rule import Hit, rule
from edgeshrink.lint.subject import Subject, constant_of, input_of

__all__: list[str] = []

INTEGER = frozenset({"ConvInteger", "DequantizeLinear", "DynamicQuantizeLinear", "MatMulInteger"}) | {
    "QLinearConv",
    "QLinearMatMul",
    "QuantizeLinear",
}


@rule("no-int8", "error")
def no_int8(network: Subject) -> Iterator[Hit]:
    """INT8 is asked for where the chip has no fast INT8: told once, with the number of nodes."""
    nodes = list(network.of(*INTEGER))
    if nodes and network.device.fast_int8 is False:
        yield Hit(
            f"{len(nodes)} nodes ask for INT8, which {network.device.name} lacks: it gets no faster.",
            "Export the network before quantization; FP16 is what this board gains from.",
            nodes[0],
        )


@rule("zero-point", "error")
def zero_point(network: Subject) -> Iterator[Hit]:
    """QuantizeLinear and DequantizeLinear are taken with a zero point of 0 alone."""
    for node in network.of("QuantizeLinear", "DequantizeLinear"):
        zero = constant_of(input_of(node, 2))
        if zero is not None and zero.any():
            yield Hit("Its zero point is not 0.", "Quantize symmetrically, to INT8.", node)


@rule("unsigned-quantization", "error")
def unsigned_quantization(network: Subject) -> Iterator[Hit]:
    """TensorRT quantizes to INT8; UINT8 cannot represent quantized numbers in it."""
    for node in network.of("QuantizeLinear"):
        made = node.outputs[0].dtype
        if made == ir.DataType.UINT8 or (made is None and len(node.inputs) < 3):
            yield Hit("It quantizes to UINT8.", "Quantize symmetrically, to INT8.", node)
