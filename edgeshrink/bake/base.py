"""What every bake pass is: an in-place onnx_ir pass that reports in counts what it did."""

from __future__ import annotations

from collections import Counter
from itertools import chain

import onnx_ir as ir

__all__ = ["BakePass"]


class BakePass(ir.passes.InPlacePass):
    """An exact rewrite of a whole model.

    Subclasses write `rewrite`. After a call, `detail` holds its counts. Values may leave a rewrite with names
    that others have; they are made unique here, the graph's inputs and outputs keeping theirs.

    Attributes:
        exact: True for all passes in this folder: the result equals the input network for every finite input,
            up to the order of floating-point operations.
        detail: What the last call did, in counts; empty if it changed nothing.
    """

    exact = True

    def __init__(self) -> None:
        super().__init__()
        self.detail: dict[str, int] = {}

    def rewrite(self, model: ir.Model) -> dict[str, int]:
        """Rewrite a model in place and return what changed, in counts; empty if nothing did."""
        raise NotImplementedError

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        """Run the rewrite as an onnx_ir pass."""
        declared = [(output.shape, output.type) for output in model.graph.outputs]
        self.detail = self.rewrite(model)
        if self.detail:
            _name_values_apart(model.graph)
            _declare_outputs(model.graph, declared)
        return ir.passes.PassResult(model, modified=bool(self.detail))


def _declare_outputs(graph: ir.Graph, declared: list[tuple[ir.Shape | None, ir.TypeProtocol | None]]) -> None:
    """Give outputs the shapes and types they had: what stands for one now may name its lengths otherwise."""
    for output, (shape, kind) in zip(graph.outputs, declared, strict=True):
        output.shape = shape if shape is not None else output.shape
        output.type = kind if kind is not None else output.type


def _name_values_apart(graph: ir.Graph) -> None:
    """Rename values that have another's name or none, but never an input or an output of the graph.

    onnx_ir's NameFixPass names nodes too, by which users know their layers.
    """
    kept = dict.fromkeys([*graph.inputs, *graph.outputs])
    taken = {value.name for value in kept}
    again: Counter[str] = Counter()
    for value in chain(list(graph.initializers.values()), _made_in(graph)):
        if value in kept:
            continue
        name = base = value.name or "value"
        while name in taken:
            again[base] += 1
            name = f"{base}_{again[base]}"
        taken.add(name)
        if name != value.name:
            value.name = name


def _made_in(graph: ir.Graph) -> list[ir.Value]:
    """What the nodes write, and all that subgraphs hold: their names must differ from those around them."""
    made = [output for node in graph.all_nodes() for output in node.outputs]
    inner = dict.fromkeys(node.graph for node in graph.all_nodes())
    for subgraph in inner:
        if isinstance(subgraph, ir.Graph) and subgraph is not graph:
            made += [*subgraph.inputs, *subgraph.initializers.values()]
    return [value for value in made if value.name != "" or value.uses()]  # "" is an output nobody wants
