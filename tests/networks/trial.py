"""A network under a scenario: traced, baked with every pass compared, and set beside its ideal."""

from __future__ import annotations

import copy
import functools
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir
import torch
from torch import nn

from edgeshrink.cost import cost
from edgeshrink.graph.edit import replace_weight
from edgeshrink.pipeline import bake
from edgeshrink.proof import Inputs, PassByPass
from edgeshrink.trace import trace_module
from edgeshrink.verify import Parity, compare_outputs, run_onnx
from tests.networks.catalogue import FAMILIES
from tests.networks.parts import Widths
from tests.networks.scenarios import IDEALS, SCENARIOS

__all__ = ["Size", "Trial", "ideal_size", "trial"]


@dataclass(frozen=True)
class Size:
    """Parameters and multiplications of one run."""

    parameters: int
    macs: int

    @staticmethod
    def of(model: ir.Model) -> Size:
        """Count floating-point initializers and what the layers multiply."""
        stored = [value for value in model.graph.initializers.values() if value.dtype.is_floating_point()]
        return Size(sum(value.const_value.size for value in stored), cost(model).macs)


@dataclass(frozen=True)
class Trial:
    """What baking made of a network.

    Attributes:
        before, after: Its size; before is the traced network's.
        parity: How the outputs compare.
        varies: How far outputs of different inputs lie apart, over their scale: 0 would prove nothing.
    """

    before: Size
    after: Size
    parity: Parity
    varies: float


@functools.cache
def _traced(name: str, *, full: bool) -> tuple[nn.Module, ir.Model]:
    network = FAMILIES[name].build(Widths(full=full))
    return network, trace_module(network, FAMILIES[name].inputs).model


def trial(name: str, scenario: str, *, full: bool = False, count: int = 8) -> Trial:
    """Bake one network under one scenario; the parity of each pass is checked on the way.

    Raises:
        ParityError: A pass changed an output.
    """
    family = FAMILIES[name]
    network, traced = _traced(name, full=full)
    changed = copy.deepcopy(network)
    with torch.no_grad():
        SCENARIOS[scenario](changed)
    before = _with_weights_of(traced, network, changed)
    if before is None:
        before = trace_module(changed, family.inputs).model
    feeds = family.feeds([value.name for value in before.graph.inputs], count)
    after = before.clone()
    bake(after, after_each=PassByPass(before, Inputs(feeds, len(feeds), None, "the test")))
    expected = run_onnx(before, feeds)
    parity = compare_outputs(expected, run_onnx(after, feeds))
    varies = compare_outputs(expected[:-1], expected[1:]).max_rel_error
    return Trial(Size.of(before), Size.of(after), parity, varies)


@functools.cache
def ideal_size(name: str, scenario: str, *, full: bool = False, carriers: int = 0) -> Size | None:
    """The size of the smaller network that a person would have built, baked as it is; None where undefined.

    Args:
        name: The family.
        scenario: What was done to the wide network.
        full: Of the full width.
        carriers: How many units more every space that lost some may hold.
    """
    if scenario not in IDEALS or not FAMILIES[name].bounded:
        return None

    def left(space: str, size: int) -> int:
        stays = IDEALS[scenario](space, size)
        return min(stays + carriers, size)

    network = FAMILIES[name].build(Widths(full=full, left=left))
    model = trace_module(network, FAMILIES[name].inputs).model
    bake(model)
    return Size.of(model)


def _with_weights_of(traced: ir.Model, old: nn.Module, new: nn.Module) -> ir.Model | None:
    """The traced network with other weights, which spares tracing it again; None where they are not found.

    A weight stands in the graph under its own name, or transposed; both are recognized by what they hold.
    """
    model = traced.clone()
    found = {
        value.name: value.const_value.numpy()
        for value in model.graph.initializers.values()
        if value.dtype.is_floating_point()
    }
    after = new.state_dict()
    for name, tensor in old.state_dict().items():
        if torch.equal(tensor, after[name]):
            continue
        one, other = tensor.numpy(), after[name].numpy()
        if name in found and np.array_equal(found[name], one):
            replace_weight(model.graph.initializers[name], other.copy())
            continue
        turned = [key for key, array in found.items() if np.array_equal(array, one.T)]
        if len(turned) != 1:
            return None
        replace_weight(model.graph.initializers[turned[0]], other.T.copy())
    return model
