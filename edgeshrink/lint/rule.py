"""What a rule is: a function over the network that yields what it hits, registered under its id.

To add one, write a function in the file of its family (or a new one, imported in __init__.py) like this:

    @rule("topk-too-large", "error")
    def topk_too_large(network: Subject) -> Iterator[Hit]: ...
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import onnx_ir as ir

from edgeshrink.lint.finding import Finding, Severity
from edgeshrink.lint.subject import Subject, module_of, module_of_value

__all__ = ["RULES", "Hit", "Rule", "finding_of", "rule", "run"]


@dataclass(frozen=True)
class Hit:
    """What a rule has found.

    Attributes:
        why: What is wrong.
        what_to_do: About it.
        at: The node or value that is meant; None for the whole network.
    """

    why: str
    what_to_do: str
    at: ir.Node | ir.Value | None = None


Check = Callable[[Subject], Iterable[Hit]]


@dataclass(frozen=True)
class Rule:
    """A registered rule.

    Attributes:
        id: Its name in kebab-case, by which findings are told apart; it never changes its meaning.
        severity: Of all it finds.
        check: Finds.
        any_runtime: Whether it holds wherever the network runs; else it speaks of TensorRT alone.
    """

    id: str
    severity: Severity
    check: Check
    any_runtime: bool


RULES: dict[str, Rule] = {}
"""Every rule by its id."""


def rule(name: str, severity: Severity, *, any_runtime: bool = False) -> Callable[[Check], Check]:
    """Register a function as the rule `name`."""

    def register(check: Check) -> Check:
        assert name not in RULES, name
        RULES[name] = Rule(name, severity, check, any_runtime)
        return check

    return register


def run(found: Rule, network: Subject) -> Iterable[Finding]:
    """All findings of one rule, empty where it does not speak of the device's runtime."""
    if not found.any_runtime and network.device.runtime != "tensorrt":
        return
    for hit in found.check(network):
        yield finding_of(found.id, found.severity, hit)


def finding_of(name: str, severity: Severity, hit: Hit) -> Finding:
    """A hit as a finding: with the name, operator and module of the node, or the module of a stored value."""
    at = hit.at
    if not isinstance(at, ir.Node):
        module = "" if at is None else module_of_value(at)
        return Finding(name, severity, (at and at.name) or "", "", module, hit.why, hit.what_to_do)
    label = at.name or f"output {at.outputs[0].name}"
    return Finding(name, severity, label, at.op_type, module_of(at), hit.why, hit.what_to_do)
