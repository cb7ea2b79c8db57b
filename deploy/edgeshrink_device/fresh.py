"""How a Python of this package's own is started: one that finds the package wherever it lies, a .pyz too."""

import os

from edgeshrink_device import program

__all__ = ["boot"]

BOOT = """
import sys
if sys.path and sys.path[0] == "":
    del sys.path[0]
if {root!r} not in sys.path:
    sys.path.insert(0, {root!r})
from edgeshrink_device import program
program.call_it({program!r})
from edgeshrink_device.{module} import main
main({words})
"""


def boot(module, *words):
    """The text for `python -c` that calls the `main` of a module of this package with these words (texts)."""
    arguments = ", ".join(map(repr, words))
    return BOOT.format(root=_root(), program=program.words(), module=module, words=arguments)


def _root():
    """What must be on sys.path for the package to be found: its folder, or the .pyz it lives in."""
    import edgeshrink_device

    return os.path.abspath(os.path.dirname(next(iter(edgeshrink_device.__path__))))
