"""What `edgeshrink export` says at its end."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from shlex import quote
from typing import Any

from rich.console import Console

from edgeshrink.bundle import DEVICE_PACKAGE
from edgeshrink.devices import Device
from edgeshrink.lint.subject import halves
from edgeshrink.manifest import PROVEN_AGAINST
from edgeshrink.report.changes import print_changes
from edgeshrink.report.lint import counts_text

__all__ = ["print_export"]


def print_export(console: Console, manifest: Mapping[str, Any], path: Path, to: Device) -> None:
    """Print passes, layers, figures and proof of a bundle for `to`, where it lies, and the next command."""
    source = manifest["source"]
    console.print(
        f"{source['name']}: {source['format']}, for {manifest['device']} (opset {manifest['opset']})\n"
    )
    print_changes(console, manifest)
    _print_proof(console, manifest)
    _print_lint(console, manifest, path, to)
    console.print(f"\nbundle: {path}", soft_wrap=True)
    _print_next(console, path, to)


def _print_lint(console: Console, manifest: Mapping[str, Any], path: Path, to: Device) -> None:
    place = quote(str(path))
    if findings := manifest.get("lint"):
        counts = counts_text(finding["severity"] for finding in findings)
        console.print(f"lint: {counts}; `edgeshrink lint {place}` says which", soft_wrap=True)
    if halves(to, None) and manifest["samples"].startswith("random"):
        console.print(
            "lint: what FP16 cannot hold is looked for on --samples; without them, on random numbers, by "
            f"`edgeshrink lint {place}`",
            soft_wrap=True,
        )


def _print_next(console: Console, path: Path, to: Device) -> None:
    """The next command: on the board for which it was made, which is mostly not this machine."""
    place = quote(str(path))
    here = f"edgeshrink profile {place}"
    if to.runtime != "tensorrt":
        console.print(f"next:   {here}", soft_wrap=True)
        return
    there = f"python3 {quote(path.name)}/{DEVICE_PACKAGE} profile {quote(path.name)} --device jetson"
    console.print(f"next:   copy it to the board, and there: {there}", soft_wrap=True)
    console.print(f"        or here, on the CPU: {here}", soft_wrap=True)


def _print_proof(console: Console, manifest: Mapping[str, Any]) -> None:
    accuracy = manifest["accuracy"]
    if accuracy:
        console.print(
            f"accuracy on {accuracy['samples']} samples: "
            f"{accuracy['before']:.1%} before, {accuracy['after']:.1%} after"
        )
    sizes = _open_sizes(manifest)
    for name, proof in manifest["parity"]["against"].items():
        console.print(
            f"PASS  equal to {PROVEN_AGAINST[name]} on {proof['samples']} inputs{sizes}: largest difference "
            f"{proof['max_rel_error']:.1e} of the output's scale (allowed {proof['tolerance']:.0e})",
            soft_wrap=True,
        )
    activation = manifest["source"].get("dendrite_activation")
    if activation and activation["from"] == "default":
        console.print(
            f"BUT   {activation['name']} was assumed for the dendrites: equal to the trained network only if "
            "that has it, too (--dendrite-activation)"
        )


def _open_sizes(manifest: Mapping[str, Any]) -> str:
    """The sizes that were open, as far as they were tried: ` with batch from 1 to 8`."""
    ranges = {
        size: f"{size} from {least} to {most}"
        for entry in manifest["inputs"]
        for size, least, most in zip(entry["shape"], entry.get("min", ()), entry.get("max", ()), strict=False)
        if isinstance(size, str)
    }
    return f" with {', '.join(ranges.values())}" if ranges else ""
