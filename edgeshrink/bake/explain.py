"""What became of each layer: its units before and after, and why those stay that look as if they could go."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from edgeshrink.bake.plan import Plan, plan_removal
from edgeshrink.graph.analysis import analyse
from edgeshrink.graph.constants import array_of
from edgeshrink.graph.operators.contraction import Axes, layers

__all__ = ["LayerChange", "compare_layers", "layer_units"]

_PARTNER = "tied to units that are alive elsewhere"


@dataclass(frozen=True)
class LayerChange:
    """One layer before and after baking.

    Attributes:
        name: The layer, by its weight's name without `.weight`.
        op: Its ONNX op type.
        before, after: Units it writes; after is 0 where the whole layer went.
        kernel_before, kernel_after: Spatial kernel, empty for linear layers.
        reason: Why remaining units stay that carry a constant or that nobody needs, and what share of the
            remaining weights is zero without making a whole unit; empty if there is nothing to say.
    """

    name: str
    op: str
    before: int
    after: int
    kernel_before: tuple[int, ...]
    kernel_after: tuple[int, ...]
    reason: str


def layer_units(graph: ir.Graph) -> dict[str, tuple[str, int, tuple[int, ...]]]:
    """Op type, units and kernel of every layer with constant weights, by layer name, in order."""
    return {_layer_name(node): _size(node, axes) for node, axes in layers(graph)}


def compare_layers(before: dict[str, tuple[str, int, tuple[int, ...]]], baked: ir.Graph) -> list[LayerChange]:
    """Set the layers of a baked graph beside what `layer_units` saw before."""
    after = layer_units(baked)
    reasons = _reasons(baked)
    return [
        LayerChange(
            name,
            op,
            units,
            after[name][1] if name in after else 0,
            kernel,
            after[name][2] if name in after else (),
            reasons.get(name, "")
            if name in after
            else "the whole layer only ever adds a constant, or nothing",
        )
        for name, (op, units, kernel) in before.items()
    ]


def _layer_name(node: ir.Node) -> str:
    weight = node.inputs[1]
    assert weight is not None
    name = weight.name or ""
    return name.removesuffix(".weight") if name.endswith(".weight") else node.name or name


def _size(node: ir.Node, axes: Axes) -> tuple[str, int, tuple[int, ...]]:
    weight = array_of(node.inputs[1])
    assert weight is not None
    kernel = weight.shape[2:] if node.op_type == "Conv" else ()
    return node.op_type, int(weight.shape[axes.rows]), tuple(int(size) for size in kernel)


def _reasons(graph: ir.Graph) -> dict[str, str]:
    plan = plan_removal(analyse(graph))
    return {_layer_name(node): "; ".join(_remarks(node, axes, plan)) for node, axes in layers(graph)}


def _remarks(node: ir.Node, axes: Axes, plan: Plan) -> Iterator[str]:
    """Why dead-looking units stay, most frequent reason first, then the share of unstructured zeros."""
    for reason, count in Counter(_reasons_of_idle_units(node, axes, plan)).most_common():
        yield f"{count} idle unit{'s' if count > 1 else ''} stay{'' if count > 1 else 's'}: {reason}"
    weight = array_of(node.inputs[1])
    assert weight is not None
    zeros = float((weight == 0).mean())
    if zeros >= 0.1:
        yield f"{zeros:.0%} of its weights are zeros that make no whole unit"


def _reasons_of_idle_units(node: ir.Node, axes: Axes, plan: Plan) -> Iterator[str]:
    analysis, output, axis = plan.analysis, node.outputs[0], axes.output
    units = analysis.spaces.get(output, axis)
    if units is None:
        return
    idle = np.isfinite(analysis.constants.of(output, axis)) | ~analysis.demand.of(output, axis)
    for label in analysis.partition.labels[units[idle]]:
        yield plan.reasons.get(int(label), _PARTNER)
