"""Inputs and outputs of types that the parser narrows, declared so, with a Cast behind or before each.

TensorRT before 9 binds int64 inputs and outputs as int32 whatever the file says (onnx-tensorrt, Changelog.md,
9.0 EA), and every parser narrows double to float (operators.md); its table tells. A file that says so itself
is not misread.
What is computed between stays as it was: the parser narrows that, and lint tells where it does not fit.
"""

from __future__ import annotations

import onnx_ir as ir
from onnx_ir.passes.common import NameFixPass

from edgeshrink.lower.target import Target

__all__ = ["NARROWER", "NarrowInterface", "narrow_types"]

NARROWER = {ir.DataType.INT64: ir.DataType.INT32, ir.DataType.DOUBLE: ir.DataType.FLOAT}


def narrow_types(graph: ir.Graph, target: Target) -> dict[str, ir.DataType]:
    """What the pass makes of the inputs and outputs of `graph`: the new type of each that it changes."""
    narrowed = target.parser.narrowed if target.parser is not None else {}
    values = (*(value for value in graph.inputs if value.name not in graph.initializers), *graph.outputs)
    return {
        value.name or "": NARROWER[value.dtype]
        for value in values
        if value.dtype in NARROWER and value.dtype.name in narrowed
    }


class NarrowInterface(ir.passes.InPlacePass):
    """Fires on graph inputs and outputs of the two types, where the parser narrows them; names stay.

    Attributes:
        warnings: What the user must know, one sentence an input or output that changed its type.
        inputs, outputs: How many of each changed.
        integers: The names of inputs that were INT64.
        exact: Whether values that fit 32 bits stay as they are: integers do, and double is rounded.
    """

    def __init__(self, target: Target) -> None:
        """A pass that writes for `target`."""
        super().__init__()
        self.target = target
        self.warnings: list[str] = []
        self.inputs = self.outputs = 0
        self.integers: list[str] = []
        self.exact = True

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        """The values that come in cannot be known here, so each is told as a warning."""
        graph, types = model.graph, narrow_types(model.graph, self.target)
        for value in [value for value in graph.inputs if value.name in types]:
            self._narrow_input(graph, value)
        for index, value in enumerate(list(graph.outputs)):
            if value.name in types and not value.is_graph_input():
                self._narrow_output(graph, index, value)
        if types:
            NameFixPass()(model)
        return ir.passes.PassResult(model, modified=bool(types))

    def _narrow_input(self, graph: ir.Graph, value: ir.Value) -> None:
        wide, uses = value.dtype, list(value.uses())
        assert wide is not None
        value.type = ir.TensorType(NARROWER[wide])  # a new one, as copies of a model share their types
        self.inputs += 1
        if wide == ir.DataType.INT64:
            self.integers.append(value.name or "")
        self._warn("input", value.name, wide)
        if not uses:
            return
        cast = ir.node("Cast", [value], {"to": wide}, name=f"{value.name}/Cast")
        (inner,) = cast.outputs
        inner.name, inner.shape, inner.dtype = f"{value.name}_{wide.name.lower()}", value.shape, wide
        for use in uses:
            use.node.replace_input_with(use.idx, inner)
        graph.insert_before(graph[0], cast)

    def _narrow_output(self, graph: ir.Graph, index: int, value: ir.Value) -> None:
        wide, name = value.dtype, value.name
        assert wide is not None
        cast = ir.node("Cast", [value], {"to": NARROWER[wide]}, name=f"{name}/Cast")
        (outer,) = cast.outputs
        outer.name, outer.shape, outer.dtype = name, value.shape, NARROWER[wide]
        value.name = f"{name}_{wide.name.lower()}"
        graph.append(cast)
        graph.outputs[index] = outer
        self.outputs += 1
        self._warn("output", name, wide)

    def _warn(self, what: str, name: str | None, wide: ir.DataType) -> None:
        self.exact = self.exact and wide == ir.DataType.INT64
        fits = "its values must lie within 32 bits" if wide == ir.DataType.INT64 else "it is rounded"
        narrow = NARROWER[wide]
        self.warnings.append(f"The {what} {name!r} is {narrow.name} on this device, not {wide.name}: {fits}.")
