"""`edgeshrink demo`: the commands a user would type, on a dendritic network that ships with edgeshrink."""

from __future__ import annotations

import io
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path

import click

from edgeshrink.cli.shared import common_options, debugging, print_json, stdout

__all__ = ["command"]

_MARK = ".edgeshrink-demo"
_NETWORK = ("digits.pt", "--arch", "edgeshrink.zoo.digits:network", "--samples", "digits_heldout.npz")
_COMMANDS = (
    ("inspect", *_NETWORK),
    ("export", *_NETWORK, "--device", "jetson-nano", "-o", "digits.edge"),
    ("profile", "digits.edge", "--device", "cpu"),
    ("compare", "digits.edge/profile-cpu-baseline.json", "digits.edge/profile-cpu-model.json"),
)


@click.command("demo")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    default=Path("edgeshrink-demo"),
    show_default=True,
    help="The folder to work in; that of an earlier demo is replaced.",
)
@common_options
def command(output: Path, as_json: bool) -> int:
    """Inspect, export, profile and compare a dendritic digits classifier on this CPU, in under a minute."""
    from edgeshrink.report.demo import demo_summary, print_demo

    _lay_out(output)
    with _working_in(output):
        for arguments in _COMMANDS:
            status = _run(arguments, quiet=as_json)
            if status:
                return status
        summary = demo_summary(Path("digits.edge"))
    if as_json:
        print_json(summary)
    else:
        print_demo(stdout(), summary, output)
    return 0


def _run(arguments: tuple[str, ...], *, quiet: bool) -> int:
    """Run one command as if it had been typed, after printing it."""
    from edgeshrink.cli import main

    typed = ("--debug", *arguments) if debugging() else arguments
    if quiet:
        with redirect_stdout(io.StringIO()):
            return main(typed)
    click.secho(f"\n$ edgeshrink {' '.join(arguments)}", bold=True)
    return main(typed)


@contextmanager
def _working_in(folder: Path) -> Iterator[None]:
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


def _lay_out(folder: Path) -> None:
    """Put the shipped checkpoint and digits into a folder of their own.

    Raises:
        InputError: Something else stands there.
    """
    import edgeshrink.zoo
    from edgeshrink.errors import InputError

    if folder.exists():
        if not (folder / _MARK).is_file():
            raise InputError(f"{folder} exists and is not an earlier demo's.", "Name another folder with -o.")
        shutil.rmtree(folder)
    try:
        shutil.copytree(Path(edgeshrink.zoo.__file__).parent / "assets", folder)
        (folder / _MARK).touch()
    except OSError as error:
        raise InputError(
            f"{folder} cannot be written: {error.strerror}.", "Name another folder with -o."
        ) from error
