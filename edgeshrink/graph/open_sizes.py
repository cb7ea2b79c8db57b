"""Open sizes, which a graph leaves to run time under a name: what the graph is once they are known."""

from __future__ import annotations

from collections.abc import Mapping

import onnx_ir as ir

from edgeshrink.graph.shapes import infer_shapes

__all__ = ["fixed", "infer_shapes_anew"]


def fixed(model: ir.Model, sizes: Mapping[str, int]) -> ir.Model:
    """A copy that shares the weights and has `sizes`, by name; shapes inside follow as far as can be told.

    Where `sizes` is empty that is the model itself.
    """
    if not sizes:
        return model
    copy = model.clone()
    made = [value for node in copy.graph.all_nodes() for value in node.outputs]
    for value in (*copy.graph.inputs, *made):
        if value.shape is not None:
            known = [_size(size, sizes) for size in value.shape]
            value.shape = None if None in known else ir.Shape(known)
    infer_shapes(copy)
    return copy


def infer_shapes_anew(model: ir.Model) -> None:
    """Infer, in place, what is not known as a number: a name that was given to a size would stay for ever."""
    for node in model.graph.all_nodes():
        for value in node.outputs:
            if value.shape is not None and not value.shape.is_static():
                value.shape = None
    for value in model.graph.initializers.values():
        if value.const_value is not None:
            value.shape = ir.Shape(value.const_value.shape.numpy())
    infer_shapes(model)


def _size(size: int | ir.SymbolicDim, sizes: Mapping[str, int]) -> int | None:
    """A size as a number, for `batch` and for what follows from it (`4*batch`); None where that fails."""
    if isinstance(size, int) or str(size) in sizes:
        return size if isinstance(size, int) else sizes[str(size)]
    try:
        found = size.evaluate(sizes)
    except ValueError:  # a name that is no expression
        return None
    return found if isinstance(found, int) else None
