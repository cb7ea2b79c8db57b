"""Inputs and outputs of int64 and double -> int32 and float, with a Cast behind or before each.

TensorRT before 9 binds int64 inputs and outputs as int32 whatever the file says (onnx-tensorrt, Changelog.md,
9.0 EA), and its parser narrows double to float (operators.md). A file that says so itself is not misread.
What is computed between stays as it was: the parser narrows that, and lint tells where it does not fit.
"""

from __future__ import annotations

import onnx_ir as ir

from edgeshrink.lower.target import Target

__all__ = ["NARROWER", "NarrowInterface"]

NARROWER = {ir.DataType.INT64: ir.DataType.INT32, ir.DataType.DOUBLE: ir.DataType.FLOAT}
FIRST_WIDE = (9, 0)  # TensorRT


class NarrowInterface(ir.passes.InPlacePass):
    """Fires on graph inputs and outputs of the two types, for TensorRT before 9; names and shapes are kept.

    Attributes:
        warnings: What the user must know, one sentence an input or output that changed its type.
    """

    def __init__(self, target: Target) -> None:
        """A pass that writes for `target`."""
        super().__init__()
        self.target = target
        self.warnings: list[str] = []

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        """The values that come in cannot be known here, so each is told as a warning."""
        parser = self.target.parser
        if parser is None or tuple(int(part) for part in parser.version.split(".")[:2]) >= FIRST_WIDE:
            return ir.passes.PassResult(model, modified=False)
        return ir.passes.PassResult(model, modified=self._narrow(model.graph))

    def _narrow(self, graph: ir.Graph) -> bool:
        for value in [value for value in graph.inputs if value.dtype in NARROWER]:
            if value.name not in graph.initializers:
                self._narrow_input(graph, value)
        for index, value in enumerate(list(graph.outputs)):
            if value.dtype in NARROWER and not value.is_graph_input():
                self._narrow_output(graph, index, value)
        return bool(self.warnings)

    def _narrow_input(self, graph: ir.Graph, value: ir.Value) -> None:
        wide = value.dtype
        assert wide is not None
        uses = list(value.uses())
        cast = ir.node("Cast", [value], {"to": wide})
        (inner,) = cast.outputs
        inner.name, inner.shape, inner.dtype = f"{value.name}_{wide.name.lower()}", value.shape, wide
        for use in uses:
            use.node.replace_input_with(use.idx, inner)
        graph.outputs[:] = [inner if output is value else output for output in graph.outputs]
        value.dtype = NARROWER[wide]
        graph.insert_before(graph[0], cast)
        self._warn("input", value.name, wide)

    def _narrow_output(self, graph: ir.Graph, index: int, value: ir.Value) -> None:
        wide, name = value.dtype, value.name
        assert wide is not None
        cast = ir.node("Cast", [value], {"to": NARROWER[wide]})
        (outer,) = cast.outputs
        outer.name, outer.shape, outer.dtype = name, value.shape, NARROWER[wide]
        value.name = f"{name}_{wide.name.lower()}"
        graph.append(cast)
        graph.outputs[index] = outer
        self._warn("output", name, wide)

    def _warn(self, what: str, name: str | None, wide: ir.DataType) -> None:
        narrow = NARROWER[wide]
        fits = "whose values must lie within 32 bits" if wide == ir.DataType.INT64 else "rounded to 32 bits"
        self.warnings.append(f"The {what} {name!r} is {narrow.name} on this device, not {wide.name}: {fits}.")
