"""What every command has: --json, --debug, progress and errors on stderr, results on stdout."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from typing import TYPE_CHECKING, Any, TypeVar

import click

from edgeshrink.errors import printable

if TYPE_CHECKING:
    from rich.console import Console

__all__ = [
    "common_options",
    "debug_option",
    "debugging",
    "device_command",
    "print_json",
    "progress",
    "start_afresh",
    "stdout",
    "tell_error",
    "tell_warnings",
]

Function = TypeVar("Function", bound=Callable[..., Any])

_debug = False


def debugging() -> bool:
    """Whether --debug was given: then errors come with their traceback."""
    return _debug


def start_afresh() -> None:
    """Forget the --debug of an earlier call in this process."""
    global _debug
    _debug = False


def _set_debug(_ctx: click.Context, _param: click.Parameter, value: bool) -> None:
    global _debug
    _debug = _debug or value


def debug_option(function: Function) -> Function:
    """Add --debug to a command, or to all."""
    return click.option(
        "--debug", is_flag=True, expose_value=False, callback=_set_debug, help="Show tracebacks of errors."
    )(function)


def common_options(function: Function) -> Function:
    """Add --json (passed on as `as_json`) and --debug to a command."""
    as_json = click.option(
        "--json", "as_json", is_flag=True, help="Print one JSON document and nothing else."
    )
    return as_json(debug_option(function))


def device_command(name: str) -> click.Command:
    """A command of the device package, which knows its options, errors and exit statuses; --help included.

    A --debug that stood before the command counts for it, too.
    """

    @click.command(
        name,
        add_help_option=False,
        context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False},
    )
    @click.argument("args", nargs=-1, type=click.UNPROCESSED)
    def command(args: tuple[str, ...]) -> int:
        from edgeshrink_device import main

        debug = ["--debug"] if debugging() and "--debug" not in args else []
        return int(main([name, *debug, *args], prog="edgeshrink"))

    return command


def stdout() -> Console:
    """Where tables go; as wide as needed in a pipe, so that no figure is cut."""
    from rich.console import Console
    from rich.text import Text

    class Stdout(Console):
        """A console that leaves a broken pipe to `main`, which knows that it is no error."""

        def on_broken_pipe(self) -> None:
            raise BrokenPipeError

        def render_str(self, text: str, **options: Any) -> Text:
            return super().render_str(printable(text), **options)

    return Stdout(width=None if sys.stdout.isatty() else 160, highlight=False, markup=False)


def print_json(document: Any) -> None:
    """Print one JSON document; NaN has no place in JSON and must have become null before."""
    click.echo(json.dumps(document, indent=2, allow_nan=False))


@contextmanager
def progress() -> Iterator[Callable[[str], None]]:
    """Show what is going on: a spinner on a terminal, nothing in a pipe.

    What the user's own code prints meanwhile goes to stderr: stdout is for the result.
    """
    with redirect_stdout(sys.stderr):
        if not sys.stderr.isatty():
            yield lambda _: None
            return
        from rich.console import Console
        from rich.text import Text

        with Console(stderr=True).status("starting") as status:
            yield lambda text: status.update(Text(text))


def tell_warnings(warnings: list[str]) -> None:
    """Print warnings to stderr, one a line."""
    for warning in warnings:
        click.echo(f"{click.style('warning:', fg='yellow')} {printable(warning)}", err=True)


def tell_error(message: str, hint: str) -> None:
    """Print an error to stderr: what is wrong, then what to do."""
    click.echo(f"{click.style('error:', fg='red')} {printable(message)}", err=True)
    if hint:
        click.echo(printable(hint), err=True)
