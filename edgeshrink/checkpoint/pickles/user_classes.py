"""The user's own classes, looked up in the module that --arch names and nowhere else."""

from __future__ import annotations

import sys
from types import ModuleType

from edgeshrink.checkpoint.pickles.data import UnbuildableError
from edgeshrink.checkpoint.pickles.interpreter import Name

__all__ = ["UserClasses"]


class UserClasses:
    """Finds a pickled class by its name in one module.

    Args:
        module: What --arch names; None where it names nothing.
        names: Every class of the user's in the file.
    """

    def __init__(self, module: ModuleType | None, names: list[Name]) -> None:
        self._module = module
        self._names = {name.name: {other for other in names if other.name == name.name} for name in names}

    def find(self, name: Name) -> type:
        """Find a class.

        Raises:
            UnbuildableError: There is no module, or no such class of the user's, or there are two.
        """
        if self._module is None:
            raise UnbuildableError(f"its class {name.dotted} is no layer of torch")
        where = self._module.__file__ or self._module.__name__
        found: object = self._module
        for part in name.name.split("."):
            found = vars(found).get(part) if isinstance(found, type | ModuleType) else None
        if not isinstance(found, type) or _foreign(found):
            raise UnbuildableError(f"{where} has no class {name.name} (in the file: {name.dotted})")
        if len(self._names.get(name.name, ())) > 1 and found.__module__ != name.module:
            raise UnbuildableError(
                f"the file has several classes called {name.name}, and {where} one of them"
            )
        return found


def _foreign(cls: type) -> bool:
    """Tell whether a class is torch's or Python's own, and only imported into the user's module."""
    package = cls.__module__.partition(".")[0]
    return package == "torch" or (package in sys.stdlib_module_names and package != "__main__")
