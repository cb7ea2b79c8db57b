"""What a model's input or output looks like."""

from collections import namedtuple

__all__ = ["Spec"]


class Spec(namedtuple("Spec", ["name", "shape", "dtype"])):
    """One input or output: its name, its shape (None where a size is open) and its numpy dtype name."""

    __slots__ = ()

    def sizes(self):
        """The shape with every open size taken as 1."""
        return tuple(1 if size is None else size for size in self.shape)

    def as_json(self):
        """As a JSON object."""
        return {"name": self.name, "shape": list(self.shape), "dtype": self.dtype}
