"""Lint of what lies on disk: an .onnx file as it stands, or a bundle with its device and its samples."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import onnx_ir as ir

from edgeshrink.bundle import Bundle, read_bundle
from edgeshrink.devices import Device, device
from edgeshrink.errors import InputError
from edgeshrink.inputs import Array, read_samples, split_samples
from edgeshrink.lint import lint, lint_ranges
from edgeshrink.lint.finding import CAVEAT, SEVERITIES, Finding, has_errors
from edgeshrink.npz import read_npz
from edgeshrink.onnx_reader import load_onnx
from edgeshrink.parsers import Parser, parser_for
from edgeshrink.verify import Feed

__all__ = ["Linted", "lint_path"]

DEFAULT = "jetson-nano"
_MOST_FEEDS = 16  # of a bundle's: each is run with every value of the network as an output


@dataclass(frozen=True)
class Linted:
    """A file's or a bundle's findings.

    Attributes:
        path: What was looked at.
        device: Where it is to run.
        parser: The table its parser was looked up in; None where there is none.
        findings: All of them, errors first.
        samples: How many inputs were run to find what FP16 cannot hold.
    """

    path: Path
    device: Device
    parser: Parser | None
    findings: tuple[Finding, ...]
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
            "samples": self.samples,
            "ok": self.ok,
            **{f"{severity}s": count for severity, count in counts.items()},
            "findings": [asdict(finding) for finding in self.findings],
            "caveat": self.caveat,
        }


def lint_path(
    path: Path, target: str | None = None, *, samples: Path | None = None, workspace_bytes: int = 0
) -> Linted:
    """Lint an .onnx file or a bundle; where the board computes in FP16, also by running the samples.

    Args:
        path: The file, or the bundle's folder.
        target: A device's name or profile; a bundle's own, or a Jetson Nano, unless told.
        samples: An .npz of real inputs; a bundle has its own.
        workspace_bytes: What the builder may take beside the network.

    Raises:
        InputError: Something given cannot be read, or does not fit.
    """
    bundle = read_bundle(path) if path.is_dir() else None
    to = device(target or (str(bundle.manifest.get("device", DEFAULT)) if bundle else DEFAULT))
    model = load_onnx(bundle.model_path if bundle else path)
    findings = lint(model, to, workspace_bytes=workspace_bytes)
    feeds = _feeds(model, bundle, samples) if to.fast_fp16 else []
    if feeds:
        ranges = lint_ranges(model, feeds)
        findings = tuple(sorted((*findings, *ranges), key=lambda f: SEVERITIES.index(f.severity)))
    return Linted(path, to, parser_for(to), findings, len(feeds))


def _feeds(model: ir.Model, bundle: Bundle | None, samples: Path | None) -> list[Feed]:
    """What to run, at most a few."""
    if samples is not None:
        feeds: list[Feed] = [*split_samples(read_samples(samples), model)]
    elif bundle is not None:
        stored = read_npz(bundle.samples_path, "`edgeshrink export` writes it anew.")
        feeds = _cut(model, {name[3:]: array for name, array in stored.items() if name.startswith("in/")})
    else:
        return []
    return feeds[:: -(-len(feeds) // _MOST_FEEDS)] if feeds else []


def _cut(model: ir.Model, arrays: Mapping[str, Array]) -> list[Feed]:
    """A bundle's samples as they were run: one after the other along the first axis.

    Raises:
        InputError: They are not those of the model.
    """
    names = [value.name or "" for value in model.graph.inputs]
    steps = [_step(value) for value in model.graph.inputs]
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
