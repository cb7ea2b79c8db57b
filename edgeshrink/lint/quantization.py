"""Quantized networks: chips without INT8, and what the importers ask of zero points."""

from __future__ import annotations

from collections.abc import Iterator

import onnx_ir as ir

from edgeshrink.graph.stored import stored_array
from edgeshrink.lint.rule import Hit, rule
from edgeshrink.lint.subject import Subject
from edgeshrink.lint.values import input_of

__all__: list[str] = []

INTEGER = frozenset({"ConvInteger", "DequantizeLinear", "DynamicQuantizeLinear", "MatMulInteger"}) | {
    "QLinearConv",
    "QLinearMatMul",
    "QuantizeLinear",
}


@rule("no-int8", "error")
def no_int8(network: Subject) -> Iterator[Hit]:
    """INT8 is asked for, by name or by nodes, where the chip has none: told once."""
    if network.device.fast_int8 is not False:
        return
    nodes = list(network.of(*INTEGER))
    lacks = f"which {network.device.name} does not compute in: it gets no faster"
    gains = "FP16 is what this board gains from." if network.device.fast_fp16 else "Build it in FP32."
    if nodes:
        asking = "One node asks" if len(nodes) == 1 else f"{len(nodes)} nodes ask"
        remedy = f"Export the network before quantization. {gains}"
        yield Hit(f"{asking} for INT8, {lacks}.", remedy, nodes[0])
    elif network.precision == "int8":
        yield Hit(f"INT8 is asked for, {lacks}.", gains)


@rule("int8-unknown", "warning")
def int8_unknown(network: Subject) -> Iterator[Hit]:
    """INT8 is asked for, and the device's profile does not say whether the chip has it."""
    if network.precision == "int8" and network.device.fast_int8 is None:
        yield Hit(
            f"INT8 is asked for; whether {network.device.name} computes in it is not known here.",
            "Measure both, or say `fast_int8` in a device profile of your own.",
        )


@rule("int8-without-ranges", "note")
def int8_without_ranges(network: Subject) -> Iterator[Hit]:
    """INT8 needs a scale for each value: from QuantizeLinear nodes, or from a calibration while building.

    TensorRT 11 has no calibration any more: there nodes alone count.
    """
    asked = network.precision == "int8" and network.device.fast_int8 is not False
    if asked and not any(network.of("QuantizeLinear", "DequantizeLinear")):
        yield Hit(
            "INT8 is asked for, and no QuantizeLinear of the network says how numbers are scaled.",
            "Quantize it first (QDQ), or have the builder calibrate on real samples.",
        )


@rule("zero-point", "error")
def zero_point(network: Subject) -> Iterator[Hit]:
    """QuantizeLinear and DequantizeLinear are taken with a zero point of 0 alone."""
    for node in network.of("QuantizeLinear", "DequantizeLinear"):
        zero = stored_array(input_of(node, 2))
        if zero is not None and zero.any():
            yield Hit("Its zero point is not 0.", "Quantize symmetrically, to INT8.", node)


@rule("unsigned-quantization", "error")
def unsigned_quantization(network: Subject) -> Iterator[Hit]:
    """TensorRT quantizes to INT8; UINT8 cannot represent quantized numbers in it."""
    for node in network.of("QuantizeLinear"):
        made = node.outputs[0].dtype
        if made == ir.DataType.UINT8 or (made is None and len(node.inputs) < 3):
            yield Hit("It quantizes to UINT8.", "Quantize symmetrically, to INT8.", node)
