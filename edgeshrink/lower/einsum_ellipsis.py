"""Einsum("...ij,...kj->...ik") -> Einsum("aij,akj->aik") for TensorRT.

Its parser takes no ellipsis and no capital letter (onnx-tensorrt, docs/operators.md). The dimensions that an
ellipsis stands for get letters of their own, which is what it means where they are the same in all operands
and nothing broadcasts.
"""

from __future__ import annotations

import string
from collections.abc import Sequence

import onnx_ir as ir

from edgeshrink.lower.rule import NodeRule, Recorder

__all__ = ["LowerEinsumEllipsis"]


class LowerEinsumEllipsis(NodeRule):
    """Fires where every operand has an ellipsis that stands for the same known sizes."""

    op_types = frozenset({"Einsum"})
    native_from = 0

    def rewrite(self, node: ir.Node, op: Recorder) -> Sequence[ir.Value] | None:
        """One Einsum of another equation."""
        equation = node.attributes.get_string("equation", "").replace(" ", "")
        if "..." not in equation or "->" not in equation:
            return None
        operands = equation.split("->")[0].split(",")
        meant = [
            _meant(term, value)
            for term, value in zip(operands, node.inputs, strict=True)
            if value is not None
        ]
        if not meant or meant[0] is None or any(sizes != meant[0] for sizes in meant):
            return None
        free = [letter for letter in string.ascii_lowercase if letter not in equation]
        letters = "".join(free[: len(meant[0])])
        if len(letters) < len(meant[0]):
            return None
        return [op("Einsum", *node.inputs, equation=equation.replace("...", letters))]

    def _is_foreign(self, node: ir.Node) -> bool:
        return self.target.parser is not None


def _meant(term: str, value: ir.Value | None) -> list[object] | None:
    """The sizes that the ellipsis of `term` stands for; None where it has none or they are not known."""
    if "..." not in term or value is None or value.shape is None:
        return None
    before, after = term.split("...")
    sizes = list(value.shape)[len(before) : value.shape.rank() - len(after)]
    known = all(isinstance(size, int) or size.value is not None for size in sizes)
    return list(sizes) if known else None
