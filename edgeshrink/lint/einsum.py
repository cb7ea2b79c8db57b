"""Einsum's equation: lower-case letters, no ellipsis, no diagonal, no broadcasting (docs/operators.md)."""

from __future__ import annotations

from collections.abc import Iterator

import onnx_ir as ir

from edgeshrink.lint.rule import Hit, rule
from edgeshrink.lint.subject import Subject

__all__: list[str] = []


@rule("einsum-equation", "error")
def einsum_equation(network: Subject) -> Iterator[Hit]:
    """The parser does not read this equation."""
    for node in network.of("Einsum"):
        equation = node.attributes.get_string("equation", "") or ""
        if fault := _fault(equation.replace(" ", ""), node):
            remedy = (
                "Write it as matmul and transposes in forward; an ellipsis, `edgeshrink export` writes out."
            )
            yield Hit(f"Its equation {equation!r} {fault}.", remedy, node)


def _fault(equation: str, node: ir.Node) -> str:
    terms = equation.split("->")[0].split(",")
    if "..." in equation:
        return "has an ellipsis"
    if any(letter.isupper() for letter in equation):
        return "has capital letters"
    if any(len(set(term)) < len(term) for term in terms):
        return "takes a diagonal"
    sizes: dict[str, object] = {}
    for term, value in zip(terms, node.inputs, strict=False):
        shape = () if value is None or value.shape is None else tuple(value.shape)
        for letter, size in zip(term, shape, strict=False):
            if isinstance(size, int) and sizes.setdefault(letter, size) != size:
                return f"broadcasts over {letter}"
    return ""
