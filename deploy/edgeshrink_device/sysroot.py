"""Where /proc, /sys and /etc are read from, and the one place that knows when they are not this machine's.

EDGESHRINK_SYSROOT names a folder that stands in for the root of a board. Every reader of the system's files
asks `path` for them, and every document asks `emulated` as well as its own parts: whoever sets the variable
gets figures marked emulated, whatever else runs.
"""

import os

__all__ = ["VARIABLE", "emulated", "is_stand_in", "path", "read_number", "read_text"]

VARIABLE = "EDGESHRINK_SYSROOT"
MARK = b"edgeshrink_emulated"  # in the first lines of every program that stands in for one of a board
HEAD = 4096


def path(name):
    """The absolute path `name`, inside the stand-in where there is one."""
    root = os.environ.get(VARIABLE, "")
    return os.path.join(root, name.lstrip("/")) if root else name


def emulated():
    """Whether the system's files are those of a stand-in."""
    return bool(os.environ.get(VARIABLE))


def is_stand_in(program):
    """Whether a program (its path, or None) stands in for one of a board, wherever it was found."""
    if emulated():
        return True
    try:
        with open(program or "", "rb") as file:
            return MARK in file.read(HEAD)
    except OSError:
        return False


def read_text(name):
    """The text of a file, without the NUL and white space at its ends; None where it cannot be read.

    Args:
        name: A path as `path` gives it.
    """
    try:
        with open(name, "rb") as file:
            return file.read().decode("utf-8", "replace").strip("\0 \t\r\n")
    except OSError:
        return None


def read_number(name):
    """The whole number in a file; None where there is none."""
    try:
        return int(read_text(name))
    except (TypeError, ValueError):
        return None
