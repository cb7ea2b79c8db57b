"""Where: a choice between two values, place by place."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from edgeshrink.graph.constants import Constants, Numbers, array_of, varying
from edgeshrink.graph.demand import Demand, Mask
from edgeshrink.graph.operators.base import EVERYTHING, register, sizes
from edgeshrink.graph.operators.elementwise import Elementwise, aligned_axis, operand_numbers

__all__ = ["Where"]


@register("Where")
class Where(Elementwise):
    """out = a where the condition holds, else b."""

    def _along(self, node: ir.Node, constants: Constants, axis: int) -> Numbers:
        """Known where both agree, or where a constant condition decides for a known one."""
        output = node.outputs[0]
        count = sizes(output)[axis]
        assert isinstance(count, int)
        first, second = (operand_numbers(value, output, axis, constants) for value in node.inputs[1:3])
        assert first is not None
        assert second is not None
        result = varying(count)
        always, never = _decided(node, axis)
        for where, numbers in ((always, first), (never, second), (first == second, first)):
            result = np.where(where, numbers, result)
        return result

    def _matters(self, node: ir.Node, demand: Demand, operand: ir.Value, axis: int) -> Mask:
        condition, first, second = node.inputs
        if operand is condition or first is second:
            return EVERYTHING
        always, never = _decided(node, axis)
        return np.asarray(~never if operand is first else ~always)


def _decided(node: ir.Node, axis: int) -> tuple[Mask, Mask]:
    """Where along an output axis a constant condition always holds, and where never; or one for all."""
    condition, output = node.inputs[0], node.outputs[0]
    array = array_of(condition)
    if condition is None or array is None:
        undecided = np.zeros(1, dtype=bool)
        return undecided, undecided
    own = aligned_axis(condition, output, axis)
    rows = array.reshape(1, -1)
    if own is not None and sizes(condition)[own] == sizes(output)[axis]:
        rows = np.moveaxis(array, own, 0).reshape(array.shape[own], -1)
    holds = rows.astype(bool)
    return np.asarray(holds.all(axis=1)), np.asarray(~holds.any(axis=1))
