"""Things found by name, one file each: a module in the package that registers itself is all there is to do.

The modules are looked up through the import system, so this works from inside a .pyz as well.
"""

import difflib
import importlib
import pkgutil

from edgeshrink_device.errors import InputError

__all__ = ["Registry"]


class Registry:
    """Classes by name, from the modules of one package.

    Args:
        kind: What the entries are, for messages ("power source").
        package: Dotted name of the package whose modules register themselves.
    """

    def __init__(self, kind, package):
        self._kind = kind
        self._package = package
        self._entries = {}
        self._discovered = False

    def register(self, name):
        """Decorator: enter a class under a name and give it that name as its `name`."""

        def enter(entry):
            entry.name = name
            self._entries[name] = entry
            return entry

        return enter

    def entries(self):
        """All entries, highest `priority` first, then by name."""
        self._discover()
        return sorted(self._entries.values(), key=lambda entry: (-getattr(entry, "priority", 0), entry.name))

    def names(self):
        """The names a user may choose from: all but those marked `hidden`."""
        return [entry.name for entry in self.entries() if not getattr(entry, "hidden", False)]

    def get(self, name):
        """The entry of that name.

        Raises:
            InputError: There is none; the message names the nearest and lists all.
        """
        self._discover()
        if name in self._entries:
            return self._entries[name]
        raise unknown(self._kind, name, self.names())

    def _discover(self):
        if self._discovered:
            return
        package = importlib.import_module(self._package)
        for module in pkgutil.iter_modules(package.__path__):
            importlib.import_module("{}.{}".format(self._package, module[1]))
        self._discovered = True


def unknown(kind, name, known):
    """The error for a name that is not known, with the nearest one that is."""
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    guess = "Did you mean '{}'? ".format(near[0]) if near else ""
    return InputError("unknown {} '{}'".format(kind, name), "{}Known: {}.".format(guess, ", ".join(known)))
