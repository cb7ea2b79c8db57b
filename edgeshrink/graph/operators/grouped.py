"""Convolutions in groups: each group sums over its own inputs, for its own outputs.

The weight stores the columns of all groups on one axis, so no axis of it holds units: `reindex` cuts it as a
whole. All groups must keep equal numbers of inputs and equal numbers of outputs, or leave as a whole.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import onnx_ir as ir

from edgeshrink.graph.constants import Constants, Numbers, array_of
from edgeshrink.graph.demand import Demand, Mask
from edgeshrink.graph.edit import add_to_bias, is_shared, replace_weight
from edgeshrink.graph.operators.base import EVERYTHING, Kept, pin_positions, sizes, source_of
from edgeshrink.graph.operators.contraction import Axes, Contraction, tie_bias, weight_of
from edgeshrink.graph.spaces import Axis, Spaces

__all__ = ["GroupedContraction", "Grouping", "groups_of"]


class Grouping(NamedTuple):
    """How many groups, and how many inputs and outputs each of them has."""

    groups: int
    inputs: int
    outputs: int


class GroupedContraction(Contraction):
    """out[g, j] = sum_k w[g, j, k] * in[g, k] + b[g, j]; with one group, a contraction like any other.

    Channels are axis 1 of input and output.
    """

    transposed = False
    """Whether the weight is (in, out / groups, *kernel) and not (out, in / groups, *kernel)."""

    def _axes(self, node: ir.Node) -> Axes | None:
        if groups_of(node) != 1:
            return None
        return Axes(source=1, output=1, rows=int(self.transposed), columns=int(not self.transposed))

    def grouping(self, node: ir.Node) -> Grouping | None:
        """The groups of a node; None if there is only one, or if it is not of this form.

        That is: where the weight is computed, not finite or shared, where the bias is more than one constant
        for each output, or the shapes on record contradict the weight.
        """
        groups, weight = groups_of(node), array_of(node.inputs[1])
        if groups == 1 or weight is None or not weight.size or is_shared(weight_of(node)):
            return None
        if weight.shape[0] % groups:
            return None
        first, second = weight.shape[0] // groups, weight.shape[1]
        grouping = Grouping(groups, *((first, second) if self.transposed else (second, first)))
        fits = sizes(source_of(node))[1] == groups * grouping.inputs
        fits &= sizes(node.outputs[0])[1] == groups * grouping.outputs
        bias = node.inputs[2] if len(node.inputs) > 2 else None
        added = array_of(bias)
        plain = bias is None or (added is not None and added.shape == (groups * grouping.outputs,))
        return grouping if fits and plain and bool(np.isfinite(weight).all()) else None

    def taps(self, node: ir.Node, grouping: Grouping) -> npt.NDArray[Any]:
        """The weight as (groups, outputs, inputs, taps), in its own dtype."""
        weight = array_of(weight_of(node))
        assert weight is not None
        groups, inputs, outputs = grouping
        if self.transposed:
            return np.swapaxes(weight.reshape(groups, inputs, outputs, -1), 1, 2)
        return np.asarray(weight.reshape(groups, outputs, inputs, -1))

    def _store_taps(self, node: ir.Node, taps: npt.NDArray[Any]) -> None:
        """Write (groups, outputs, inputs, taps) into the weight as the node wants it."""
        weight = weight_of(node)
        ordered = taps.swapaxes(1, 2) if self.transposed else taps
        groups, first, second, _ = ordered.shape
        kernel = [size for size in sizes(weight)[2:] if isinstance(size, int)]
        replace_weight(weight, ordered.reshape(groups * first, second, *kernel))

    def couple(self, node: ir.Node, spaces: Spaces) -> None:
        """New units for the outputs, a read for each group, and the rule that groups stay equal."""
        grouping = self.grouping(node)
        if grouping is None:
            super().couple(node, spaces)
            return
        source, (groups, inputs, outputs) = source_of(node), grouping
        written = spaces.fresh(groups * outputs)
        spaces.put(node.outputs[0], 1, written)
        tie_bias(node, written, spaces)
        sides, units = [written.reshape(groups, outputs)], spaces.get(source, 1)
        if units is not None:
            sides.append(units.reshape(groups, inputs))
            for start in range(0, groups * inputs, inputs):
                spaces.read(node, source, 1, padded=self.padded(node), span=(start, start + inputs))
        spaces.balance(node, *sides, whole_groups=units is not None)
        pin_positions(node, spaces)

    def constants(self, node: ir.Node, constants: Constants) -> None:
        """An output is constant if every input it uses is constant, and zero where padding would show."""
        grouping = self.grouping(node)
        if grouping is None:
            super().constants(node, constants)
            return
        groups, inputs, outputs = grouping
        numbers = constants.of(source_of(node), 1).reshape(groups, 1, inputs)
        usable = np.isfinite(numbers) & ((numbers == 0) | (not self.padded(node)))
        used = self._used(node, grouping, constants)
        known = ~(used & ~usable).any(axis=2)
        sums = np.zeros((groups, outputs))
        summed = np.flatnonzero((used & usable & (numbers != 0)).any(axis=(1, 2)))
        if summed.size:
            weights = self.taps(node, grouping)[summed].sum(axis=3, dtype=np.float64)
            sums[summed] = (weights * np.where(usable, numbers, 0.0)[summed]).sum(axis=2)
        total = np.where(known, sums, np.nan).reshape(-1) + self.bias(node)
        constants.put(node.outputs[0], 1, total)

    def demand(self, node: ir.Node, demand: Demand) -> None:
        """Demand the inputs that a demanded output of their group reads with a non-zero weight."""
        grouping = self.grouping(node)
        if grouping is None:
            super().demand(node, demand)
            return
        groups, _, outputs = grouping
        wanted = demand.of(node.outputs[0], 1).reshape(groups, outputs, 1)
        used = (self._used(node, grouping, demand.constants) & wanted).any(axis=1).reshape(-1)
        for axis in demand.spaces.axes_of(source_of(node)):
            if axis == 1:
                demand.add_read(node, source_of(node), axis, used)
            else:
                demand.add(source_of(node), axis, EVERYTHING)

    def _used(self, node: ir.Node, grouping: Grouping, constants: Constants) -> npt.NDArray[np.bool_]:
        """Which weights are not zero in any tap, (groups, outputs, inputs)."""
        groups, inputs, outputs = grouping
        pattern = constants.nonzero(weight_of(node), 0, 1)
        if self.transposed:
            return np.swapaxes(pattern.reshape(groups, inputs, outputs), 1, 2)
        return np.asarray(pattern.reshape(groups, outputs, inputs))

    def absorb(
        self, node: ir.Node, axis: Axis, numbers: Numbers, removed: Mask, carrier: int | None, spaces: Spaces
    ) -> None:
        """As a contraction, for the one group whose inputs are removed."""
        grouping = self.grouping(node)
        if grouping is None:
            super().absorb(node, axis, numbers, removed, carrier, spaces)
            return
        gone = np.flatnonzero(removed & np.isfinite(numbers) & (numbers != 0))
        if not gone.size:
            return
        taps, group = self.taps(node, grouping), int(gone[0]) // grouping.inputs
        columns = taps[group][:, gone - group * grouping.inputs].astype(np.float64)
        if carrier is None:
            delta = np.zeros((grouping.groups, grouping.outputs))
            delta[group] = columns.sum(axis=2) @ numbers[gone]
            _, bias = add_to_bias(node, delta.reshape(-1))
            rows = spaces.get(node.outputs[0], 1)
            assert rows is not None
            spaces.put(bias, 0, rows)
            return
        extra = np.tensordot(columns, numbers[gone] / numbers[carrier], axes=(1, 0))
        changed = taps.copy()
        changed[group, :, carrier - group * grouping.inputs] += extra.astype(taps.dtype)
        self._store_taps(node, changed)

    def can_absorb_in_weight(self, node: ir.Node) -> bool:
        """A weight of several groups is followed only where nobody else sees it."""
        return groups_of(node) > 1 or super().can_absorb_in_weight(node)

    def reindex(self, node: ir.Node, kept: Kept) -> None:
        """Cut each group's block of the weight, and count the groups that are left."""
        grouping = self.grouping(node)
        if grouping is None:
            return
        groups, inputs, outputs = grouping
        read = kept(source_of(node), 1).reshape(groups, inputs)
        written = kept(node.outputs[0], 1).reshape(groups, outputs)
        if read.all() and written.all():
            return
        taps = self.taps(node, grouping)
        left = np.flatnonzero(read.any(axis=1) | written.any(axis=1))
        self._store_taps(node, np.stack([taps[g][written[g]][:, read[g]] for g in left]))
        node.attributes["group"] = ir.AttrInt64("group", int(left.size))


def groups_of(node: ir.Node) -> int:
    """The number of groups of a convolution."""
    return node.attributes.get_int("group", 1)
