"""`edgeshrink inspect`: what is in a checkpoint, and what baking will do with it."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import click

from edgeshrink.cli.request import network_options, options_of, request_of
from edgeshrink.cli.shared import common_options, print_json, progress, stdout, tell_warnings

__all__ = ["command"]


@click.command("inspect")
@network_options
@common_options
def command(as_json: bool, **network: Any) -> None:
    """Say what is in CHECKPOINT, per layer.

    With --arch, or for an .onnx file, also what can be baked, and why not more.
    """
    from edgeshrink.inspection import inspect
    from edgeshrink.report.inspect import print_inspection

    request = request_of(**network)
    with progress() as told:
        found = inspect(request, told)
    tell_warnings(list(found.warnings))
    if as_json:
        print_json(asdict(found))
        return
    print_inspection(stdout(), found, options_of(network))
