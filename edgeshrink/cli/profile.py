"""`edgeshrink profile`: the device package's own profiler, the very code that runs on a board."""

from __future__ import annotations

import click

from edgeshrink.cli.shared import hand_over

__all__ = ["command"]


@click.command(
    "profile",
    add_help_option=False,
    context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False},
)
@click.argument("args", nargs=-1, type=click.UNPROCESSED)
def command(args: tuple[str, ...]) -> int:
    """Hand everything to `edgeshrink_device profile`, which knows options, errors and exit status."""
    return hand_over("profile", args)
