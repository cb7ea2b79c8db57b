"""What `edgeshrink lint` says, and what an export says of its findings."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich.console import Console

from edgeshrink.lint.files import Linted
from edgeshrink.lint.finding import SEVERITIES, Finding
from edgeshrink.report.text import counted

__all__ = ["counts_text", "print_lint"]

_MOST_NODES = 5


def print_lint(console: Console, linted: Linted) -> None:
    """Print every finding, what is the same of several nodes once, then the verdict and what it rests on."""
    for (rule, severity, why, what_to_do), nodes in _grouped(linted.findings).items():
        console.print(f"{severity}: {rule}: {_listed(nodes)}", soft_wrap=True)
        console.print(f"    {why}", soft_wrap=True)
        console.print(f"    {what_to_do}\n", soft_wrap=True)
    if linted.samples:
        console.print(f"{counted(linted.samples, 'samples')} were run for the range of FP16", soft_wrap=True)
    verdict = "PASS" if linted.ok else "FAIL"
    counts = counts_text(finding.severity for finding in linted.findings)
    console.print(f"{verdict}  {linted.path} for {linted.device.name}: {counts}", soft_wrap=True)
    console.print(linted.caveat, soft_wrap=True)


def _grouped(findings: Iterable[Finding]) -> Mapping[tuple[str, str, str, str], list[str]]:
    groups: dict[tuple[str, str, str, str], list[str]] = {}
    for finding in findings:
        key = (finding.rule, finding.severity, finding.why, finding.what_to_do)
        groups.setdefault(key, []).append(_place(finding))
    return groups


def _place(finding: Finding) -> str:
    """`Conv layer1/0/conv1/Conv (layer1.0.conv1)`, as far as it is known."""
    words = [finding.operator, finding.node, f"({finding.module})" if finding.module else ""]
    return " ".join(word for word in words if word) or "the network"


def _listed(places: Sequence[str]) -> str:
    rest = len(places) - _MOST_NODES
    return ", ".join(places[:_MOST_NODES]) + (f" and {rest} more" if rest > 0 else "")


def counts_text(severities: Iterable[Any]) -> str:
    """`1 error, 2 warnings, no notes` of the findings' severities, in that order."""
    seen = Counter(severities)
    return ", ".join(
        counted(seen[severity], f"{severity}s") if seen[severity] else f"no {severity}s"
        for severity in SEVERITIES
    )
