"""The interface of an operator's meaning, the registry, and the meaning of an unknown operator."""

from __future__ import annotations

from collections.abc import Callable, Container

import numpy as np
import onnx_ir as ir

from edgeshrink.graph.constants import Constants, Numbers
from edgeshrink.graph.demand import Demand, Mask
from edgeshrink.graph.spaces import Axis, Spaces

__all__ = [
    "EVERYTHING",
    "Kept",
    "Operator",
    "Size",
    "demand_channels",
    "describe",
    "is_padded",
    "operator_of",
    "opset_of",
    "pin_positions",
    "register",
    "sizes",
    "source_of",
]

Size = int | ir.SymbolicDim
"""The length of an axis: a number, or a name or nothing where it is only known at run time."""

EVERYTHING: Mask = np.ones(1, dtype=bool)
"""A mask that broadcasts to: all indices of an axis."""

Kept = Callable[[ir.Value, int], Mask]
"""Which indices along an axis of a value stay, one truth value each."""

_LONGEST_AXIS = 2**26  # of a value that the analysis follows: it holds a few numbers for each index
_OLDEST_OPSET = 7  # before it, Add and its like broadcast by an attribute of their own


class Operator:
    """What the channel analysis must know of a kind of node. These defaults are safe for any operator.

    The analysis never trusts an operator with more than it claims: inputs that are not `followed`, and axes
    that are not tracked when `couple` returns, keep their length.

    Attributes:
        several_outputs: Whether `couple` accounts for nodes with more outputs than one.
    """

    several_outputs = False

    def followed(self, node: ir.Node) -> Container[int]:
        """The numbers of the inputs whose units `couple` and `demand` account for. Here: none."""
        return ()

    def couple(self, node: ir.Node, spaces: Spaces) -> None:
        """Say which units the node's axes hold. Here: nothing it touches may change."""
        for value in node.inputs:
            if value is not None:
                spaces.pin_value(value, f"read by {describe(node)}, which the analysis does not know")

    def constants(self, node: ir.Node, constants: Constants) -> None:
        """Say which units of the outputs are constant. Here: none."""

    def demand(self, node: ir.Node, demand: Demand) -> None:
        """Say which units of the inputs are demanded, given those of the outputs. Here: all."""
        for value in node.inputs:
            if value is not None:
                demand.add_all(value)

    def can_absorb_in_weight(self, node: ir.Node) -> bool:
        """Whether `absorb` may change a carrier's column, for operators that `couple` records reads of."""
        raise NotImplementedError

    def absorb(
        self, node: ir.Node, axis: Axis, numbers: Numbers, removed: Mask, carrier: int | None, spaces: Spaces
    ) -> None:
        """Fold what removed constant units contribute, for operators that `couple` records reads of.

        Args:
            node: The reader.
            axis: The axis it reads, as recorded.
            numbers: The constants along that axis, shape (size of the axis,), nan where varying.
            removed: Which indices are about to be cut.
            carrier: An index that stays and holds a non-zero constant, to take over the others' columns;
                None: the bias takes them.
            spaces: Told the units of a bias that is made for this.
        """
        raise NotImplementedError

    def reindex(self, node: ir.Node, kept: Kept) -> None:
        """Rewrite stored indices, counts and weights that no tracked axis describes. Here: there are none.

        Called before the cut, while all shapes are still old, for nodes that a cut touches.

        Args:
            node: The node.
            kept: Which indices of an axis of a value stay; all of them where the axis is not tracked.
        """

    def resize(self, node: ir.Node) -> None:
        """Adapt attributes and shape inputs to the output's new shape. Here: nothing depends on it."""


_UNKNOWN = Operator()
_REGISTRY: dict[str, Operator] = {}


def register(*op_types: str) -> Callable[[type[Operator]], type[Operator]]:
    """Register an operator class for op types of the default ONNX domain."""

    def add(cls: type[Operator]) -> type[Operator]:
        _REGISTRY.update(dict.fromkeys(op_types, cls()))
        return cls

    return add


def operator_of(node: ir.Node) -> Operator:
    """The meaning of a node, as its opset has it.

    The safe default for an unknown op type, a custom domain, an opset older than broadcasting as we know it,
    a value without a shape (outputs that nobody takes may lack theirs) or with an axis of absurd length, or
    several outputs where the operator is not made for them.
    """
    values = [*node.inputs, *(value for value in node.outputs if value.name != "" or value.uses())]
    unshaped = any(value is not None and not _is_tractable(value) for value in values)
    custom = node.domain != "" or opset_of(node) < _OLDEST_OPSET
    if custom or unshaped:
        return _UNKNOWN
    operator = _REGISTRY.get(node.op_type, _UNKNOWN)
    return operator if len(node.outputs) == 1 or operator.several_outputs else _UNKNOWN


def _is_tractable(value: ir.Value) -> bool:
    return value.shape is not None and all(
        not isinstance(size, int) or size <= _LONGEST_AXIS for size in value.shape
    )


def opset_of(node: ir.Node) -> int:
    """The version of the default domain that a node is written in, 0 if nobody says."""
    graph = node.graph
    return graph.opset_imports.get("", 0) if graph is not None else 0


def describe(node: ir.Node) -> str:
    """Name a node for a message: op type and node name."""
    return f"{node.op_type} '{node.name}'" if node.name else node.op_type


def is_padded(node: ir.Node) -> bool:
    """Whether a Conv or pool pads its input: explicitly on any side, or automatically and not VALID."""
    automatic = node.attributes.get_string("auto_pad", "NOTSET").startswith("SAME")
    return automatic or any(node.attributes.get_ints("pads", [0]))


def source_of(node: ir.Node) -> ir.Value:
    """The first input, for operators that cannot do without."""
    source = node.inputs[0]
    assert source is not None
    return source


def sizes(value: ir.Value) -> tuple[Size, ...]:
    """The lengths of a value's axes; an operator only ever sees values that have a shape."""
    assert value.shape is not None
    return tuple(value.shape)


def pin_positions(node: ir.Node, spaces: Spaces) -> None:
    """Say that every axis of the first input but the channels' keeps its length."""
    source = source_of(node)
    for axis in set(spaces.axes_of(source)) - {1}:
        spaces.pin_axis(source, axis, f"a position in {describe(node)}")


def demand_channels(node: ir.Node, demand: Demand, wanted: Mask) -> None:
    """Demand these channels of the first input, and all of its other axes."""
    source = source_of(node)
    for axis in demand.spaces.axes_of(source):
        demand.add(source, axis, wanted if axis == 1 else EVERYTHING)
