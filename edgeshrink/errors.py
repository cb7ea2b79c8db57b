"""What a user is told when something cannot go on, and the exit status that goes with it."""

from __future__ import annotations

import re

__all__ = ["EdgeshrinkError", "InputError", "ParityError", "UnsupportedError", "no_such_file", "printable"]


def printable(text: str) -> str:
    """Write control characters as escapes, newlines excepted, and cut words no person would read.

    A name in a file may neither steer the terminal nor flood it.
    """
    text = "".join(c if c.isprintable() or c == "\n" else repr(c)[1:-1] for c in text)
    return _ENDLESS_WORD.sub(r"\1...\2", text)


_ENDLESS_WORD = re.compile(r"(\S{200})\S{100,}(\S{50})")


class EdgeshrinkError(Exception):
    """The work failed: says what went wrong, where, and what to do next. Exit status 1.

    Args:
        message: What is wrong and in which file or layer; a single line without a full stop gets it here.
        hint: What the user can do about it, as a full sentence; may be empty.
    """

    exit_status = 1

    def __init__(self, message: str, hint: str = "") -> None:
        ends = "\n" in message or message.endswith((".", "!", "?", ":"))
        self.message = message if ends else f"{message}."
        super().__init__(self.message)
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\n{self.hint}" if self.hint else self.message


class InputError(EdgeshrinkError):
    """The call or a file it names is wrong. Exit status 2."""

    exit_status = 2


def no_such_file(path: object) -> InputError:
    """The error of a file that is not there."""
    return InputError(
        f"There is no file {path}.", "Check the path; it is taken relative to the current folder."
    )


class ParityError(EdgeshrinkError):
    """A network after a rewrite differs from the one before by more than the tolerance. Exit status 1."""


class UnsupportedError(EdgeshrinkError):
    """The network holds what the target device cannot take. Exit status 1."""
