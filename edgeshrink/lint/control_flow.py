"""If, Loop and Scan: what the parser asks of their branches and bodies."""

from __future__ import annotations

from collections.abc import Iterator

import onnx_ir as ir

from edgeshrink.lint.rule import Hit, rule
from edgeshrink.lint.subject import Subject
from edgeshrink.lint.values import input_of, sizes_of

__all__: list[str] = []


@rule("if-branches", "error")
def if_branches(network: Subject) -> Iterator[Hit]:
    """Outputs of both branches must have shapes that broadcast, and different names (docs/operators.md)."""
    for node in network.of("If"):
        names = ("then_branch", "else_branch")
        made = [node.attributes[name].as_graph().outputs for name in names if name in node.attributes]
        for one, other in zip(*made, strict=False) if len(made) == 2 else ():
            fault = _fault(one, other)
            if fault:
                yield Hit(
                    f"The branches' outputs {one.name} and {other.name} {fault}.",
                    "Decide before the export: a network that takes one way needs no If.",
                    node,
                )


def _fault(one: ir.Value, other: ir.Value) -> str:
    if one.name == other.name:
        return "have one name, and the parser wants two"
    a, b = sizes_of(one), sizes_of(other)
    if a is None or b is None:
        return ""
    pairs = zip(reversed(a), reversed(b), strict=False)
    return "" if all(x == y or 1 in (x, y) for x, y in pairs) else f"have the shapes {a} and {b}"


@rule("loop-without-count", "warning")
def loop_without_count(network: Subject) -> Iterator[Hit]:
    """The importer bounds what such a loop collects by a length of its own, and nothing may read it."""
    for node in network.of("Loop"):
        carried = len(node.inputs) - 2
        if input_of(node, 0) is None and len(node.outputs) > carried:
            yield Hit(
                "The loop states no count and collects outputs, which the parser then bounds by itself.",
                "Loop over a known number of steps in forward.",
                node,
            )


@rule("control-flow", "note")
def control_flow(network: Subject) -> Iterator[Hit]:
    """Nothing is fused across a branch or a step."""
    for node in network.of("If", "Loop", "Scan"):
        yield Hit(
            f"{node.op_type} runs step by step, and nothing is fused across its border.",
            "Unroll it in forward where the number of steps is fixed.",
            node,
        )
