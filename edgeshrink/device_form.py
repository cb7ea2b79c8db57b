"""The form a network has on its device: its opset, types of inputs and outputs, and sizes that stay open."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import onnx_ir as ir

from edgeshrink.bake.at_sizes import at_sizes
from edgeshrink.cost import Cost, cost
from edgeshrink.devices import Device
from edgeshrink.inputs import SizeRange, sizes_at, words_for
from edgeshrink.lower import NarrowInterface, Target, check, lower
from edgeshrink.lower.narrow_interface import narrow_types
from edgeshrink.lower.tidy import StripNotes
from edgeshrink.manifest import PassRecord
from edgeshrink.onnx_reader import Traced

if TYPE_CHECKING:
    import numpy as np

__all__ = ["cost_at_opt", "device_types", "lower_for", "profiled_inputs", "warnings_of"]


def device_types(model: ir.Model, to: Device) -> dict[str, np.dtype[Any]]:
    """The inputs and outputs that are of another type on the device, and that type."""
    found = narrow_types(model.graph, Target.of(to, to.opset))
    return {name: dtype.numpy() for name, dtype in found.items()}


def lower_for(model: ir.Model, to: Device) -> tuple[PassRecord, NarrowInterface]:
    """Bring a model, in place, to the device's opset and to the types that its inputs and outputs have there.

    Raises:
        UnsupportedError: Nodes that have no older form; the message lists every one.
        EdgeshrinkError: The result breaks ONNX's rules.
    """
    lowered = PassRecord.of_lowering(lower(model, to))
    narrow = NarrowInterface(Target.of(to, to.opset))
    if narrow(model).modified:
        check(model)
        StripNotes()(model)  # as lower does behind every check
    return lowered, narrow


def profiled_inputs(model: ir.Model, ranges: Mapping[str, SizeRange]) -> list[str]:
    """The inputs with open sizes of which all have a range."""
    names = []
    for value in model.graph.inputs:
        opened = [size for size in value.shape or () if not isinstance(size, int)]
        if opened and all(str(size) in ranges for size in opened):
            names.append(value.name or "")
    return names


def warnings_of(narrow: NarrowInterface, model: ir.Model, traced: Traced) -> tuple[str, ...]:
    """What narrowing has to say, and how the user can say it himself where torch wrote the network."""
    words = [
        words_for(value.name, (traced.ranges.get(str(size), size) for size in value.shape or ()), "int32")
        for value in model.graph.inputs
        if value.name in narrow.integers
    ]
    if not words or traced.exporter == "onnx":
        return tuple(narrow.warnings)
    options = " ".join(f"--input {each}" for each in words)
    return (*narrow.warnings, f"To trace the network so, where it allows that: {options}.")


def cost_at_opt(model: ir.Model, ranges: Mapping[str, SizeRange]) -> Cost:
    """The figures of a model whose open sizes are at opt."""
    if not ranges:
        return cost(model)
    return replace(cost(model), macs=cost(at_sizes(model, sizes_at("opt", ranges))).macs)
