"""The words that start this program again as it was started: for its usage, its hints and `next:`.

A board has this package as a .pyz, perhaps; the command `edgeshrink`, and with it `compare` and `export`, is
there only where edgeshrink itself is installed.
"""

import contextlib
import os
import shlex
import shutil
import sys

__all__ = ["HOST", "call_it", "called", "command", "comparing", "words"]

HOST = "edgeshrink"

_called = []


def call_it(words):
    """Keep these words as those that start this program; None finds them out each time."""
    _called[:] = [words] if words else []


@contextlib.contextmanager
def called(words):
    """A block in which these words start this program, or those found out where they are None."""
    before = list(_called)
    call_it(words)
    try:
        yield
    finally:
        _called[:] = before


def words():
    """What starts this program: "edgeshrink", "python3 digits.edge/edgeshrink-device.pyz" and the like."""
    return _called[0] if _called else _started()


def command(*arguments):
    """A command of this program as it is typed, its arguments quoted where a shell wants it."""
    return " ".join([words(), *map(shlex.quote, arguments)])


def comparing(*profiles):
    """What compares profiles; only edgeshrink itself can, so that files may have to be copied to it first."""
    text = " ".join([HOST, "compare", *map(shlex.quote, profiles)])
    return text if words() == HOST else "copy the profiles to where edgeshrink is installed; there: " + text


def _started():
    """By sys.argv[0]: of a .pyz the module in it ("x.pyz/edgeshrink_device/__main__.py"), as of a folder."""
    folder, file = os.path.split(sys.argv[0] or "")
    archive = os.path.dirname(folder)
    if file == "__main__.py" and os.path.isfile(archive):
        return "{} {}".format(_python(), shlex.quote(_near(archive)))
    return "{} -m edgeshrink_device".format(_python())


def _near(path):
    """A path as it is typed from here, where it lies below this folder."""
    relative = os.path.relpath(path)
    return path if relative.startswith(os.pardir) else relative


def _python():
    """This Python by the shortest name that leads to it."""
    for name in ("python3", os.path.basename(sys.executable)):
        if name and shutil.which(name) == sys.executable:
            return name
    return shlex.quote(sys.executable or "python3")
