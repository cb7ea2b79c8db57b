"""`edgeshrink compare`: two profiles side by side."""

from __future__ import annotations

from pathlib import Path

import click

from edgeshrink.cli.shared import common_options, print_json, stdout, tell_warnings

__all__ = ["command"]


@click.command("compare")
@click.argument("before", metavar="BUNDLE|BEFORE", type=click.Path(path_type=Path))
@click.argument("after", required=False, type=click.Path(path_type=Path))
@common_options
def command(before: Path, after: Path | None, as_json: bool) -> None:
    """Set the profiles BEFORE and AFTER side by side: ratios with 95% intervals.

    A ratio above 1 means that AFTER is better. Of a BUNDLE, the profiles of its baseline and of its model
    are taken.
    """
    from edgeshrink.comparison import compare
    from edgeshrink.report.compare import print_comparison
    from edgeshrink.stored_profile import read_profile

    first, second = _pair(before, after)
    comparison = compare(read_profile(first), read_profile(second))
    tell_warnings(comparison["warnings"])
    if as_json:
        print_json(comparison)
        return
    print_comparison(stdout(), comparison)


def _pair(before: Path, after: Path | None) -> tuple[Path, Path]:
    from edgeshrink.errors import InputError
    from edgeshrink.stored_profile import pair_in_bundle

    folders = [path for path in (before, after) if path is not None and path.is_dir()]
    if after is None and folders:
        return pair_in_bundle(before)
    if after is None:
        raise InputError(
            f"{before} is one file; a comparison takes two profiles.", "Name the other, or a bundle."
        )
    if folders:
        raise InputError(
            f"{folders[0]} is a folder; two profiles are compared.",
            f"Name its profile, {folders[0]}/profile-DEVICE-model.json, or the bundle alone.",
        )
    return before, after
