"""The command line: one file a command, imported when it runs, so that `edgeshrink --help` is instant."""

from __future__ import annotations

import difflib
import signal
import sys
import threading
from collections.abc import Sequence
from importlib import import_module

import click

import edgeshrink
from edgeshrink.cli.shared import debug_option, debugging, start_afresh, tell_error
from edgeshrink.errors import EdgeshrinkError

__all__ = ["main"]

_COMMANDS = {
    "inspect": "What is in a checkpoint, what can be baked and what cannot, and why.",
    "export": "Turn a checkpoint into a bundle: baked, in the device's opset, proven equal.",
    "lint": "What the device's parser will refuse, misread or run slowly, and what to do.",
    "build": "Build TensorRT engines of bundles and models on this board.",
    "profile": "Measure latency, memory and energy of models on this machine.",
    "compare": "Set two profiles side by side: ratios with confidence intervals.",
    "devices": "List the known devices, and say what this machine is.",
    "doctor": "Say whether this machine is ready, and what mends what is missing.",
    "tegrastats": "Turn tegrastats' lines into JSON or CSV.",
    "demo": "Drive a shipped dendritic checkpoint down the whole road on this CPU.",
}


class _LazyGroup(click.Group):
    """Commands found by name, with their help lines known before they are imported."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        command = import_module(f"edgeshrink.cli.{cmd_name}").command
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(_COMMANDS.items()))

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in _COMMANDS and not args[0].startswith("-"):
            close = difflib.get_close_matches(args[0], _COMMANDS, 1)
            hint = f"Did you mean {close[0]!r}?" if close else f"Commands: {', '.join(_COMMANDS)}."
            raise click.UsageError(f"There is no command {args[0]!r}. {hint}", ctx)
        return super().resolve_command(ctx, args)


@click.group(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@debug_option
@click.version_option(edgeshrink.__version__, prog_name="edgeshrink")
def cli() -> None:
    """Make dendritic and pruned networks physically small on the edge board they are meant for, exactly."""


def _end_like_ctrl_c() -> None:
    """Let a closed terminal or a polite kill end a command as Ctrl-C does: nothing stays half-written."""
    if threading.current_thread() is threading.main_thread():
        for name in ("SIGTERM", "SIGHUP"):
            if hasattr(signal, name):
                signal.signal(getattr(signal, name), signal.default_int_handler)


def main(args: Sequence[str] | None = None) -> int:
    """Run the command line.

    Returns:
        The exit status: 0 done, 1 the work failed, 2 the call or its input is wrong, 130 interrupted.
    """
    start_afresh()
    _end_like_ctrl_c()
    try:
        status = cli.main(args=list(args) if args is not None else None, standalone_mode=False)
    except click.UsageError as error:
        error.show()
        return 2
    except click.exceptions.Exit as leave:
        return leave.exit_code
    except (click.Abort, KeyboardInterrupt):
        sys.stderr.write("interrupted; nothing was left half-written\n")
        return 130
    except EdgeshrinkError as error:
        if debugging():
            raise
        tell_error(error.message, error.hint)
        return error.exit_status
    except BrokenPipeError:
        sys.stderr.close()  # the reader of our output has gone: not an error, and nothing to flush to
        return 0
    except Exception as error:
        if debugging():
            raise
        tell_error(f"{type(error).__name__}: {error}", "This is a fault of edgeshrink: --debug shows where.")
        return 1
    return status if isinstance(status, int) else 0
