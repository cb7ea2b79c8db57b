"""`edgeshrink compare`: two profiles side by side."""

from __future__ import annotations

from pathlib import Path

import click

from edgeshrink.cli.shared import common_options, print_json, stdout, tell_warnings

__all__ = ["command"]


@click.command("compare")
@click.argument("before", type=click.Path(path_type=Path))
@click.argument("after", type=click.Path(path_type=Path))
@common_options
def command(before: Path, after: Path, as_json: bool) -> None:
    """Set the profiles BEFORE and AFTER side by side: ratios with 95% intervals.

    A ratio above 1 means that AFTER is better.
    """
    from edgeshrink.comparison import compare, read_profile
    from edgeshrink.report.compare import print_comparison

    comparison = compare(read_profile(before), read_profile(after))
    tell_warnings(comparison["warnings"])
    if as_json:
        print_json(comparison)
        return
    print_comparison(stdout(), comparison)
