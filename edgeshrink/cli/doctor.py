"""`edgeshrink doctor`: the device package looks at the machine it runs on."""

from __future__ import annotations

import click

from edgeshrink.cli.shared import hand_over

__all__ = ["command"]


@click.command(
    "doctor",
    add_help_option=False,
    context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False},
)
@click.argument("args", nargs=-1, type=click.UNPROCESSED)
def command(args: tuple[str, ...]) -> int:
    """Hand everything to `edgeshrink_device doctor`, which knows options, errors and exit status."""
    return hand_over("doctor", args)
