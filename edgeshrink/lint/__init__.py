"""Lint: what the device's parser will refuse, misread or run slowly, all at once. One family of rules a file.

Nothing here has been read by TensorRT: the rules are what its parser's documentation and sources say.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

import onnx_ir as ir

from edgeshrink.devices import Device, Precision
from edgeshrink.lint import (
    control_flow,
    convolution,
    einsum,
    half_precision,
    memory,
    operators,
    patterns,
    quantization,
    recurrent,
    resizing,
    selection,
    shapes,
    sizes,
    traps,
    types,
    versions,
)
from edgeshrink.lint.finding import CAVEAT, SEVERITIES, Finding, Severity, by_severity, has_errors
from edgeshrink.lint.half_precision import lint_ranges
from edgeshrink.lint.rule import RULES, run
from edgeshrink.lint.subject import Subject
from edgeshrink.parsers import Parser, parser_for

__all__ = [
    "CAVEAT",
    "RULES",
    "SEVERITIES",
    "Finding",
    "Severity",
    "control_flow",
    "convolution",
    "einsum",
    "findings_of",
    "half_precision",
    "has_errors",
    "lint",
    "lint_ranges",
    "memory",
    "operators",
    "patterns",
    "quantization",
    "recurrent",
    "resizing",
    "selection",
    "shapes",
    "sizes",
    "traps",
    "types",
    "versions",
]


def lint(
    model: ir.Model,
    device: Device,
    *,
    profiled: Collection[str] = (),
    workspace_bytes: int = 0,
    precision: Precision | None = None,
    largest: Mapping[str, int] | None = None,
    lowered: bool = False,
    parser: Parser | None = None,
) -> tuple[Finding, ...]:
    """Every finding of every rule, errors first; `model` is left as it is.

    Args:
        model: The network as it would be given to the device.
        device: Where it is to run.
        profiled: Names of the inputs whose open sizes have a range the engine will be built for.
        workspace_bytes: What the builder may take beside the network, where that is known.
        precision: What the engine is asked to compute in; None where that is still open.
        largest: The most that open sizes are built for, by name: memory is counted there.
        lowered: Whether export has lowered it: its findings then do not send the user there.
        parser: Another parser than the device's own.
    """
    its = parser or parser_for(device)
    return findings_of(Subject(model, device, its, profiled, workspace_bytes, precision, largest, lowered))


def findings_of(network: Subject) -> tuple[Finding, ...]:
    """As `lint`, of a network that is looked at already."""
    return by_severity(finding for rule in RULES.values() for finding in run(rule, network))
