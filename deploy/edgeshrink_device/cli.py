"""The command line: parse, run, and turn every error into one clear message and an exit status."""

import argparse
import contextlib
import errno
import sys
import traceback

from edgeshrink_device import program, streams
from edgeshrink_device.commands import COMMANDS
from edgeshrink_device.errors import DeviceError, InputError

__all__ = ["main"]

INTERRUPTED = 130
UNWRITTEN = (errno.EPIPE, errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)


def main(argv=None, prog=None):
    """Run one command.

    Args:
        argv: The words after the program's name; those of this process unless given.
        prog: The words that start this program, for its usage and hints; found out unless given.

    Returns:
        The exit status: 0 done, 1 the work failed, 2 the call or the input is wrong, 130 interrupted.
    """
    words, status = sys.argv[1:] if argv is None else list(argv), 0
    with streams.whole(), program.called(prog):
        try:
            status = _run(words)
            sys.stdout.flush()
        except BrokenPipeError:  # whoever reads it has enough
            pass
        except OSError as error:
            return _tell("what was printed cannot be written: {}".format(error.strerror), "", 1)
        return status


def _run(words):
    try:
        options = _parser(program.words()).parse_args(words)
        return options.run(options)
    except SystemExit as stop:  # --help and --version
        return stop.code or 0
    except KeyboardInterrupt:
        return _tell("interrupted; nothing was left half written", "", INTERRUPTED)
    except DeviceError as error:
        _trace(words, error)
        word = "EMULATED: " if error.emulated else ""
        return _tell(word + error.message, error.hint, error.exit_status)
    except ImportError as error:
        _trace(words, error)
        return _tell(
            "{} (Python {}.{}.{}) has no {}".format(sys.executable, *sys.version_info[:3], error.name),
            "Install it for that Python, or start this with another one.",
            InputError.exit_status,
        )
    except Exception as error:
        if _is_of_stdout(error):
            raise
        _trace(words, error)
        return _tell(
            "{}: {}".format(type(error).__name__, error), "This is a fault in edgeshrink; see --debug.", 1
        )


def _is_of_stdout(error):
    """Files have names, and what goes wrong with them is told where they are written."""
    return isinstance(error, OSError) and error.filename is None and error.errno in UNWRITTEN


class _Parser(argparse.ArgumentParser):
    """A parser whose errors are told like all others."""

    def error(self, message):
        raise InputError(message, "See: {} --help".format(self.prog))


def _parser(prog):
    from edgeshrink_device import __version__

    parser = _Parser(prog=prog, description="Run and measure edgeshrink bundles on this device.")
    parser.add_argument("--version", action="version", version=__version__)
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND")
    subparsers.required = True
    for command in COMMANDS:
        command.add(subparsers)
    return parser


def _tell(message, hint, status):
    stop = "" if message.endswith((".", "!", "?", ":")) else "."
    with contextlib.suppress(OSError):  # nobody reads it
        sys.stderr.write("error: {}{}\n{}".format(message, stop, hint + "\n" if hint else ""))
    return status


def _trace(words, error):
    if "--debug" in words:
        traceback.print_exception(type(error), error, error.__traceback__)
        sys.stderr.write(getattr(error, "worker_traceback", ""))
