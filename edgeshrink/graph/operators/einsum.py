"""Einsum: its equation names the labels of every axis."""

from __future__ import annotations

import onnx_ir as ir

from edgeshrink.graph.operators.base import register, sizes
from edgeshrink.graph.operators.products import Labelled, SummedProduct

__all__ = ["Einsum"]


@register("Einsum")
class Einsum(SummedProduct):
    """Any number of factors, each label once in a factor, no ellipsis; other equations are left alone."""

    def labels(self, node: ir.Node) -> Labelled | None:
        """The letters; without an arrow, the output has those that appear once, in alphabetical order."""
        equation = node.attributes.get_string("equation", "").replace(" ", "")
        left, arrow, right = equation.partition("->")
        factors = tuple(tuple(term) for term in left.split(","))
        output = tuple(right) if arrow else tuple(sorted(c for c in left if c != "," and left.count(c) == 1))
        values = [value for value in node.inputs if value is not None]
        fits = len(factors) == len(values) and len(output) == len(sizes(node.outputs[0]))
        letters = {letter for term in (*factors, output) for letter in term}
        if not fits or not all(letter.isalpha() for letter in letters) or len(set(output)) < len(output):
            return None
        one_is_broadcast = any(
            sizes(value)[axis] == 1
            for value, term in zip(values, factors, strict=True)
            for axis in range(len(term))
            if len(term) == len(sizes(value))
        )
        return None if one_is_broadcast else Labelled(factors, output)
