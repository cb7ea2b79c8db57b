"""What FP16 cannot hold: constants as they are stored, and values as samples make them.

FP16 ends at 65504. Its smallest number is 2^-24, about 6e-8: below that, numbers become it or zero.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from edgeshrink.graph.shapes import infer_shapes
from edgeshrink.graph.stored import stored_array
from edgeshrink.lint.finding import Finding
from edgeshrink.lint.rule import Hit, finding_of, rule
from edgeshrink.lint.subject import Subject
from edgeshrink.lint.values import Array
from edgeshrink.verify import Feed, each_run

__all__ = ["LARGEST", "SMALLEST", "lint_ranges"]

LARGEST = 65504.0
SMALLEST = 2.0**-25  # half of the least that is not 0: what lies below is rounded to 0
_MOST_AT_ONCE = 64  # values fetched in one run: all of a large network's would be gigabytes

TOO_LARGE, TOO_SMALL = "fp16-overflow", "fp16-underflow"
BUILD = "Build the engine with --precision fp32, or scale the weights before it."


@rule("fp16-no-gain", "warning")
def fp16_no_gain(network: Subject) -> Iterator[Hit]:
    """FP16 is asked for where the chip is not faster in it."""
    if network.precision == "fp16" and network.device.fast_fp16 is False:
        yield Hit(
            f"FP16 is asked for, and {network.device.name} computes no faster in it.",
            "Build in FP32; FP16 then saves memory alone, and costs digits.",
        )


@rule("fp16-constant", "warning")
def fp16_constant(network: Subject) -> Iterator[Hit]:
    """A finite float32 constant beyond FP16, where the engine is to compute in it: masks of -3.4e38, say."""
    if not network.computes_in_fp16:
        return
    for value in network.constants:
        array = stored_array(value)
        if array is None or array.dtype != np.float32 or not array.size:
            continue
        largest = _largest(array)
        if largest > LARGEST:
            yield Hit(
                f"It holds {largest:.3g}, infinite in FP16: a softmax over a row of such a mask is NaN.",
                "Mask with -60000 in forward, or build the engine in FP32.",
                value,
            )


def _largest(array: Array) -> float:
    """The largest magnitude among finite numbers; weights, mostly all finite, are not copied."""
    if np.isfinite(ends := (array.min(), array.max())).all():
        return float(np.abs(ends).max())
    finite = np.abs(array[np.isfinite(array)])
    return float(finite.max()) if finite.size else 0.0


@dataclass
class _Range:
    """What samples made of one value."""

    largest: float = 0.0
    small: int = 0
    nonzero: int = 0

    def see(self, array: Array) -> None:
        magnitudes = np.abs(array[np.isfinite(array)])
        self.largest = max(self.largest, float(magnitudes.max()) if magnitudes.size else 0.0)
        self.nonzero += int(np.count_nonzero(magnitudes))
        self.small += int(np.count_nonzero((magnitudes > 0) & (magnitudes < SMALLEST)))


def lint_ranges(model: ir.Model, feeds: Sequence[Feed]) -> tuple[Finding, ...]:
    """Run `model` on `feeds` in ONNX Runtime, and warn of every float32 value that FP16 cannot hold.

    Raises:
        InputError: A feed does not fit.
        EdgeshrinkError: ONNX Runtime refuses the network.
    """
    model = _typed(model)
    names = [
        value.name
        for node in model.graph
        for value in node.outputs
        if value.name and value.dtype == ir.DataType.FLOAT and node.op_type != "Constant"
    ]
    ranges = {name: _Range() for name in names}
    for start in range(0, len(names), _MOST_AT_ONCE):
        part = names[start : start + _MOST_AT_ONCE]
        probe = _with_outputs(model, part)
        for outputs in each_run(probe, feeds):
            for name in part:
                ranges[name].see(outputs[name])
    makers = {value.name: node for node in model.graph for value in node.outputs}
    return tuple(
        finding_of(rule_id, "warning", Hit(why, BUILD, makers[name]))
        for name, seen in ranges.items()
        for rule_id, why in _faults(name, seen, len(feeds))
    )


def _typed(model: ir.Model) -> ir.Model:
    """The model, or a copy that knows its values' types: a lowered file states those of its interface."""
    if all(value.dtype is not None for node in model.graph for value in node.outputs if value.name):
        return model
    copy = model.clone()
    infer_shapes(copy)
    return copy


def _faults(name: str, seen: _Range, samples: int) -> Iterator[tuple[str, str]]:
    on = f"on {samples} samples" if samples != 1 else "on one sample"
    if seen.largest > LARGEST:
        yield TOO_LARGE, f"{name} reaches {seen.largest:.3g} {on}; FP16 ends at {LARGEST:.0f}."
    if 2 * seen.small > seen.nonzero:
        share = seen.small / seen.nonzero
        yield (
            TOO_SMALL,
            f"{share:.0%} of {name} lie below {SMALLEST:g} {on} without being 0: FP16 makes them 0.",
        )


def _with_outputs(model: ir.Model, names: Sequence[str]) -> ir.Model:
    """A copy, of the same weights, whose outputs are these values."""
    copy = model.clone()
    made = {value.name: value for node in copy.graph for value in node.outputs}
    copy.graph.outputs[:] = [made[name] for name in names]
    return copy
