"""`edgeshrink export`: checkpoint -> bundle."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from edgeshrink.cli.request import network_options, request_of
from edgeshrink.cli.shared import common_options, print_json, progress, stdout, tell_warnings

__all__ = ["command"]


@click.command("export")
@network_options
@click.option(
    "--device", "target", default="jetson-nano", show_default=True, help="A known device, or a profile.toml."
)
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), help="The bundle's folder [default: NAME.edge]."
)
@click.option("--force", is_flag=True, help="Replace a bundle that stands there.")
@click.option(
    "--allow-lint-errors",
    is_flag=True,
    help="Export what the device's parser refuses or misreads by its published rules, all the same.",
)
@click.option("--paranoid", is_flag=True, help="Verify after each pass, and name the one that went wrong.")
@common_options
def command(
    target: str,
    output: Path | None,
    force: bool,
    allow_lint_errors: bool,
    paranoid: bool,
    as_json: bool,
    **network: Any,
) -> None:
    """Turn CHECKPOINT into a bundle: baked, in the device's opset, proven equal to the original."""
    from edgeshrink.devices import device
    from edgeshrink.pipeline import export
    from edgeshrink.report.export import print_export

    request = request_of(**network)
    folder = output or Path(f"{request.path.stem}.edge")
    with progress() as told:
        bundle = export(
            request,
            target=target,
            output=folder,
            force=force,
            allow_lint_errors=allow_lint_errors,
            paranoid=paranoid,
            progress=told,
        )
    tell_warnings(bundle.manifest["warnings"])
    if as_json:
        print_json({**bundle.manifest, "bundle": str(bundle.path)})
        return
    print_export(stdout(), bundle.manifest, bundle.path, device(target))
