"""What `edgeshrink lint` says, and what an export says of its findings."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich.console import Console

from edgeshrink.byte_sizes import bytes_text
from edgeshrink.lint.files import Linted
from edgeshrink.lint.finding import SEVERITIES, Finding
from edgeshrink.report.text import counted

__all__ = ["counts_text", "print_lint"]

_MOST_PLACES = 5
_MOST_REASONS = 3


def print_lint(console: Console, linted: Linted) -> None:
    """Print the findings by rule, the memory, then the verdict and what it rests on."""
    for (name, severity, what_to_do), findings in _grouped(linted.findings).items():
        for line in (_heading(name, severity, findings), *_reasons(findings), what_to_do):
            console.print(line if line.startswith(severity) else f"    {line}", soft_wrap=True)
        console.print()
    if linted.samples:
        console.print(f"{counted(linted.samples, 'samples')} were run for the range of FP16", soft_wrap=True)
    console.print(f"memory: {_memory(linted)}", soft_wrap=True)
    verdict = "PASS" if linted.ok else "FAIL"
    counts = counts_text(finding.severity for finding in linted.findings)
    console.print(f"{verdict}  {linted.path} for {linted.device.name}: {counts}", soft_wrap=True)
    console.print(linted.caveat, soft_wrap=True)


def _grouped(findings: Iterable[Finding]) -> Mapping[tuple[str, str, str], list[Finding]]:
    """The findings of a rule that one remedy helps against."""
    groups: dict[tuple[str, str, str], list[Finding]] = {}
    for finding in findings:
        groups.setdefault((finding.rule, finding.severity, finding.what_to_do), []).append(finding)
    return groups


def _by_reason(findings: Iterable[Finding]) -> Mapping[str, list[Finding]]:
    reasons: dict[str, list[Finding]] = {}
    for finding in findings:
        reasons.setdefault(finding.why, []).append(finding)
    return reasons


def _heading(name: str, severity: str, findings: Sequence[Finding]) -> str:
    """`note: recurrent-loop, 3 times: GRU in encoder (2), GRU in decoder`; several reasons name places."""
    times = f", {len(findings)} times" if len(findings) > 1 else ""
    reasons = _by_reason(findings)
    places = "" if len(reasons) > 1 else f": {_listed(*reasons.values())}"
    return f"{severity}: {name}{times}{places}"


def _reasons(findings: Sequence[Finding]) -> list[str]:
    """Why; of several reasons the first few, each with its places."""
    reasons = _by_reason(findings)
    if len(reasons) == 1:
        return list(reasons)
    lines = [f"{why} – {_listed(alike)}" for why, alike in list(reasons.items())[:_MOST_REASONS]]
    rest = sum(len(alike) for alike in list(reasons.values())[_MOST_REASONS:])
    return [*lines, f"and {rest} more; --json lists them all"] if rest else lines


def _place(finding: Finding) -> str:
    """`Conv layer1/0/conv1/Conv (layer1.0.conv1)`, as far as it is known."""
    words = [finding.operator, finding.node, f"({finding.module})" if finding.module else ""]
    return " ".join(word for word in words if word) or "the network"


def _listed(alike: Sequence[Finding]) -> str:
    """Where findings of one reason are: one by its node, several by their modules, the first few."""
    if len(alike) == 1:
        return _place(alike[0])
    places = Counter(f"{f.operator} in {f.module}" if f.module and f.operator else _place(f) for f in alike)
    shown = list(places.items())[:_MOST_PLACES]
    rest = len(alike) - sum(count for _, count in shown)
    text = ", ".join(f"{place} ({count})" if count > 1 else place for place, count in shown)
    return text + (f" and {rest} more" if rest else "")


def _memory(linted: Linted) -> str:
    """`at least 3 MB to run (1 MB weights, 2 MB values at once), 4 MB to build (...), of 4.16 GB, ...`."""
    memory, has = linted.memory, linted.device.memory_bytes
    parts = f"{bytes_text(memory.weights)} weights, {bytes_text(memory.activations)} values at once"
    text = f"at least {bytes_text(memory.running)} to run ({parts})"
    if linted.device.runtime == "tensorrt":
        workspace = f"workspace {bytes_text(memory.workspace)}" if memory.workspace else "without a workspace"
        text += f", {bytes_text(memory.building)} to build ({workspace})"
    if has is not None:
        text += f", of {bytes_text(has)} that CUDA, the system and all else take from, too"
    return text + (f"; {memory.unknown} values of unknown size are not in it" if memory.unknown else "")


def counts_text(severities: Iterable[Any]) -> str:
    """`1 error, 2 warnings, no notes` of the findings' severities, in that order."""
    seen = Counter(severities)
    return ", ".join(
        counted(seen[severity], f"{severity}s") if seen[severity] else f"no {severity}s"
        for severity in SEVERITIES
    )
