"""Lint of what lies on disk: an .onnx file as it stands, or a bundle with its device and its samples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import onnx_ir as ir

from edgeshrink.bundle import Bundle, read_bundle
from edgeshrink.devices import Device, Precision, device
from edgeshrink.errors import InputError
from edgeshrink.inputs import Array, read_samples, split_samples
from edgeshrink.lint import findings_of, lint_ranges
from edgeshrink.lint.finding import CAVEAT, SEVERITIES, Finding, by_severity, has_errors
from edgeshrink.lint.footprint import UNCOUNTED, Memory
from edgeshrink.lint.subject import Subject, halves
from edgeshrink.npz import read_npz
from edgeshrink.onnx_reader import load_onnx
from edgeshrink.parsers import Parser, parser_for
from edgeshrink.verify import Feed

__all__ = ["Linted", "add_ranges", "lint_path"]

DEFAULT = "jetson-nano"
_MOST_FEEDS = 16  # of a bundle's: each is run with every value of the network as an output


@dataclass(frozen=True)
class Linted:
    """A file's or a bundle's findings.

    Attributes:
        path: What was looked at.
        device: Where it is to run.
        parser: The table its parser was looked up in; None where there is none.
        precision: What the engine was said to compute in; None where nobody said.
        findings: All of them, errors first.
        memory: What running and building need at least.
        samples: How many inputs were run to find what FP16 cannot hold.
    """

    path: Path
    device: Device
    parser: Parser | None
    precision: Precision | None
    findings: tuple[Finding, ...]
    memory: Memory
    samples: int

    @property
    def ok(self) -> bool:
        """Whether there is no error."""
        return not has_errors(self.findings)

    @property
    def caveat(self) -> str:
        """What the findings rest on, a sentence."""
        return (
            CAVEAT if self.device.runtime == "tensorrt" else "TensorRT's rules do not apply to this device."
        )

    def document(self) -> dict[str, Any]:
        """All of it as plain JSON."""
        counts: dict[str, int] = dict.fromkeys(SEVERITIES, 0)
        for finding in self.findings:
            counts[finding.severity] += 1
        return {
            "model": str(self.path),
            "device": self.device.name,
            "parser": self.parser.name if self.parser else None,
            "precision": self.precision,
            "samples": self.samples,
            "ok": self.ok,
            **{f"{severity}s": count for severity, count in counts.items()},
            "findings": [asdict(finding) for finding in self.findings],
            "memory": self._memory(),
            "caveat": self.caveat,
        }

    def _memory(self) -> dict[str, Any]:
        """The estimate as plain JSON, in bytes; the workspace is null where nobody said."""
        return {
            "weights_bytes": self.memory.weights,
            "activations_bytes": self.memory.activations,
            "workspace_bytes": self.memory.workspace or None,
            "running_bytes": self.memory.running,
            "building_bytes": self.memory.building,
            "values_of_unknown_size": self.memory.unknown,
            "device_bytes": self.device.memory_bytes,
            "not_counted": UNCOUNTED,
        }


def lint_path(
    path: Path,
    target: str | None = None,
    *,
    samples: Path | None = None,
    workspace_bytes: int = 0,
    precision: Precision | None = None,
) -> Linted:
    """Lint an .onnx file or a bundle; where the engine may compute in FP16, also by running the samples.

    Args:
        path: The file, or the bundle's folder.
        target: A device's name or profile; a bundle's own, or a Jetson Nano, unless told.
        samples: An .npz of real inputs; a bundle has its own.
        workspace_bytes: What the builder may take beside the network.
        precision: What the engine is asked to compute in; None asks for nothing, and expects FP16 where the
            board is fast in it.

    Raises:
        InputError: Something given cannot be read, or does not fit.
    """
    bundle = read_bundle(path) if path.is_dir() else None
    own = str(bundle.manifest.get("device", DEFAULT)) if bundle else DEFAULT
    to = device(own if target is None else target)
    model = load_onnx(bundle.model_path if bundle else path)
    profiled, largest = _ranges(bundle)
    network = Subject(
        model, to, parser_for(to), profiled, workspace_bytes, precision, largest, bundle is not None
    )
    findings = findings_of(network)
    feeds = _few(_feeds(model, bundle, samples)) if halves(to, precision) else []
    findings = by_severity((*findings, *lint_ranges(model, feeds)) if feeds else findings)
    return Linted(path, to, network.parser, precision, findings, network.memory, len(feeds))


def add_ranges(
    findings: Sequence[Finding], path: Path, to: Device, feeds: Sequence[Feed]
) -> tuple[Finding, ...]:
    """Findings and, where an engine for `to` may compute in FP16, what that cannot hold on real inputs.

    Args:
        findings: What is known without running the network.
        path: Its .onnx file.
        to: The device.
        feeds: Real inputs; some of them are run.
    """
    if not feeds or not halves(to, None):
        return tuple(findings)
    return by_severity((*findings, *lint_ranges(load_onnx(path), _few(feeds))))


def _few(feeds: Sequence[Feed]) -> Sequence[Feed]:
    """A few of them, evenly taken."""
    return feeds[:: -(-len(feeds) // _MOST_FEEDS)] if feeds else []


def _ranges(bundle: Bundle | None) -> tuple[list[str], dict[str, int]]:
    """The inputs of a bundle that it has an optimization profile for, and its open sizes at their largest."""
    stated = bundle.manifest.get("inputs", []) if bundle else []
    inputs = [entry for entry in stated if isinstance(entry, dict) and "max" in entry]
    largest = {
        name: size
        for entry in inputs
        for name, size in zip(entry.get("shape", ()), entry["max"], strict=False)
        if isinstance(name, str) and isinstance(size, int)
    }
    return [str(entry.get("name")) for entry in inputs], largest


def _feeds(model: ir.Model, bundle: Bundle | None, samples: Path | None) -> list[Feed]:
    """What there is to run."""
    if samples is not None:
        return [*split_samples(read_samples(samples), model)]
    if bundle is not None:
        stored = read_npz(bundle.samples_path, "`edgeshrink export` writes it anew.")
        arrays = {name[3:]: array for name, array in stored.items() if name.startswith("in/")}
        return _cut(model, arrays, _at_opt(bundle))
    return []


def _at_opt(bundle: Bundle) -> dict[str, int]:
    """How many rows one run takes of the inputs that leave it open: the samples are at opt."""
    inputs = [entry for entry in bundle.manifest.get("inputs", []) if isinstance(entry, dict)]
    return {str(entry.get("name")): entry["opt"][0] for entry in inputs if entry.get("opt")}


def _cut(model: ir.Model, arrays: Mapping[str, Array], at_opt: Mapping[str, int]) -> list[Feed]:
    """A bundle's samples as they were run: one after the other along the first axis.

    Raises:
        InputError: They are not those of the model.
    """
    names = [value.name or "" for value in model.graph.inputs]
    steps = [at_opt.get(value.name or "", _step(value)) for value in model.graph.inputs]
    if any(name not in arrays for name in names) or not names:
        raise InputError("samples.npz lacks inputs of the model.", "`edgeshrink export` writes it anew.")
    runs = min(len(arrays[name]) // (step or 1) for name, step in zip(names, steps, strict=True))
    return [
        {name: _piece(arrays[name], step, run) for name, step in zip(names, steps, strict=True)}
        for run in range(runs)
    ]


def _step(value: ir.Value) -> int:
    """How many rows one run takes; 0 for a scalar, of which each run has one."""
    first = value.shape[0] if value.shape is not None and value.shape.rank() else 0
    return first if isinstance(first, int) else 1


def _piece(array: Array, step: int, run: int) -> Array:
    return array[run * step : (run + 1) * step] if step else array[run, ...]
