"""`edgeshrink lint`: what the device's parser will refuse, misread or run slowly."""

from __future__ import annotations

from pathlib import Path

import click

from edgeshrink.cli.shared import common_options, print_json, progress, stdout
from edgeshrink.devices import PRECISIONS, Precision

__all__ = ["command"]


@click.command("lint")
@click.argument("model", type=click.Path(path_type=Path))
@click.option(
    "--device", "target", help="A known device, or a profile.toml [default: the bundle's, or jetson-nano]."
)
@click.option(
    "--samples",
    type=click.Path(path_type=Path),
    metavar="FILE.npz",
    help="Real inputs, run to find what FP16 cannot hold; a bundle has its own.",
)
@click.option(
    "--workspace",
    type=click.IntRange(min=0),
    default=0,
    metavar="MIB",
    help="What the engine's builder may take, for the estimate of memory.",
)
@click.option(
    "--precision",
    type=click.Choice(PRECISIONS),
    help="What the engine is to compute in [default: open; FP16 is expected where the board is fast in it].",
)
@common_options
def command(
    target: str | None,
    model: Path,
    samples: Path | None,
    workspace: int,
    precision: Precision | None,
    as_json: bool,
) -> int:
    """Say what the device's parser will refuse, misread or run slowly in MODEL, an .onnx file or a bundle.

    All findings come at once, as the parser's published rules have them. Exit status 1 where one is an error.
    """
    from edgeshrink.lint.files import lint_path
    from edgeshrink.report.lint import print_lint

    with progress() as told:
        told(f"looking at {model.name}")
        linted = lint_path(
            model, target, samples=samples, workspace_bytes=workspace * 2**20, precision=precision
        )
    if as_json:
        print_json(linted.document())
    else:
        print_lint(stdout(), linted)
    return 0 if linted.ok else 1
