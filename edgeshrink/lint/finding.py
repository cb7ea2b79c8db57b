"""What lint says: one finding a fault, with the rule, the node, why it matters and what to do about it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

__all__ = ["CAVEAT", "SEVERITIES", "Finding", "Severity", "by_severity", "has_errors"]

Severity = Literal["error", "warning", "note"]

SEVERITIES: tuple[Severity, ...] = ("error", "warning", "note")
"""Worst first: the parser refuses or misreads it; it may go wrong; it runs, but slowly or in another way."""

CAVEAT = "These are the parser's published rules, not the parser itself: TensorRT has not read the network."


@dataclass(frozen=True)
class Finding:
    """One fault.

    Attributes:
        rule: The rule's id, in kebab-case.
        severity: error, warning or note.
        node: The node's name, or that of the value or the graph that is meant; empty for the whole network.
        operator: The node's operator; empty where no single node is meant.
        module: The torch module the node came from; empty where nothing says.
        why: What is wrong, a sentence.
        what_to_do: A sentence.
    """

    rule: str
    severity: Severity
    node: str
    operator: str
    module: str
    why: str
    what_to_do: str


def has_errors(findings: Iterable[Finding]) -> bool:
    """Whether one of them is an error."""
    return any(finding.severity == "error" for finding in findings)


def by_severity(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """The worst first, else in their order."""
    return tuple(sorted(findings, key=lambda finding: SEVERITIES.index(finding.severity)))
