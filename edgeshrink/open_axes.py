"""Axes of a torch network's inputs that stay open, in torch's words: names, Dims, why one cannot."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from edgeshrink.errors import InputError
from edgeshrink.inputs import InputSpec, SizeRange, words_for
from edgeshrink.signature import call_arguments

if TYPE_CHECKING:
    import torch

__all__ = ["OpenAxes"]

Made = TypeVar("Made")

# What torch says about guards, as a reason behind a colon.
_WORDS = (
    (r"Not all values of .* satisfy the generated guard (.*)", r"forward, as traced, is right only for \1"),
    (
        r"You marked .* as dynamic but your code specialized it to be a constant \((\d+)\).*",
        r"forward fixes it at \1",
    ),
    (r"^The values of", "the values of"),
)


class OpenAxes:
    """Which axes of which arguments stay open, and what their sizes are called and may be.

    A size is `batch` on the first axis, `size_1`, `size_2`... on others. Inputs whose ranges are equal on the
    same axis share it: they are mostly parts of the same samples, and what is to differ can be given another
    range. On different axes (a recurrent layer's state has its batch in the middle) equal ranges are shared
    where torch finds that the network wants them equal.

    Attributes:
        named: Per argument, the name of each open axis.
        ranges: Per name, what the size may be.
    """

    def __init__(self, specs: Mapping[str, InputSpec]) -> None:
        """The open axes of `specs`, which are by argument."""
        self._specs = specs
        self.named: dict[str, dict[int, str]] = {}
        self.ranges: dict[str, SizeRange] = {}
        names: dict[tuple[int, SizeRange], str] = {}
        for argument, spec in specs.items():
            for axis, size in spec.ranges.items():
                plain = f"size_{axis}" if axis else "batch"
                free = plain if plain not in self.ranges else f"{plain}_of_{argument}"
                name = names.setdefault((axis, size), free)
                self.ranges[name] = size
                self.named.setdefault(argument, {})[axis] = name

    def dims(self, module: torch.nn.Module, tensors: Mapping[str, torch.Tensor]) -> Any:
        """What torch.export.export takes as `dynamic_shapes`."""
        from torch.export import Dim

        made = {name: Dim(name, min=size.min, max=size.max) for name, size in self.ranges.items()}
        return self._like_forward(module, tensors, made.__getitem__)

    def names(self, module: torch.nn.Module, tensors: Mapping[str, torch.Tensor]) -> Any:
        """The same with the sizes' names alone, as torch.onnx.export takes them."""
        return self._like_forward(module, tensors, str)

    def _like_forward(
        self, module: torch.nn.Module, tensors: Mapping[str, torch.Tensor], make: Callable[[str], Made]
    ) -> dict[str, Any]:
        """Something for each open axis, in the structure of forward's arguments."""
        from torch.utils import _pytree as pytree

        made = {
            id(tensor): {axis: make(name) for axis, name in self.named.get(argument, {}).items()}
            for argument, tensor in tensors.items()
        }
        positional, by_name = call_arguments(module, tensors)
        bound = inspect.signature(module.forward).bind(*positional, **by_name)
        arguments: dict[str, Any] = pytree.tree_map(lambda tensor: made[id(tensor)], dict(bound.arguments))
        return arguments

    def share(self, error: Exception) -> bool:
        """Make one of two sizes that torch found to be equal, where their ranges are; whether it did."""
        equal = re.search(r"The values of (\w+) = \S+ and (\w+) = \S+ must always be equal", str(error))
        kept, other = sorted(equal.groups(), key=lambda name: name != "batch") if equal else ("", "")
        if kept == other or self.ranges.get(kept) is None or self.ranges.get(kept) != self.ranges.get(other):
            return False
        del self.ranges[other]
        for axes in self.named.values():
            axes.update({axis: kept for axis, name in axes.items() if name == other})
        return True

    def refusal(self, error: Exception) -> InputError | None:
        """What torch found against an open axis, in the user's words; None for errors of another kind."""
        from torch._dynamo.exc import UserError
        from torch.fx.experimental.symbolic_shapes import ConstraintViolationError

        if not isinstance(error, (UserError, ConstraintViolationError)):
            return None
        text = str(error)
        reasons = re.findall(r"(?m)^\s+- (.*)$", text) or text.strip().splitlines() or [""]
        found = [name for name in self.ranges if re.search(rf"\b{name}\b", text)]
        return self.cannot(found[0], self._plain(reasons[0]), self._fitting(text)) if found else None

    def cannot(self, name: str, why: str, fitting: Mapping[str, str] | None = None) -> InputError:
        """The error for a size that cannot stay open, with the --input that will do.

        Args:
            name: The size.
            why: The reason, without a full stop.
            fitting: Ranges or sizes that torch proposes, by name.
        """
        places = [(arg, axis) for arg, axes in self.named.items() for axis in axes if axes[axis] == name]
        where = " and ".join(f"axis {axis} of input {argument!r}" for argument, axis in places)
        argument = places[0][0]
        fixed = words_for(argument, self._specs[argument].at("opt").shape, self._specs[argument].dtype)
        hint = f"Give it a fixed size: --input {fixed}."
        if fitting and name in fitting:
            hint += f" torch would take {fitting[name]} there."
        if len(self.ranges) > 1:
            hint += " Sizes that are always equal need equal ranges."
        return InputError(f"The network does not allow {self.ranges[name]} on {where} ({name}): {why}.", hint)

    def _plain(self, reason: str) -> str:
        """The reason without torch's own names of sizes and its advice on its own API."""
        for name in self.ranges:
            reason = re.sub(rf"\b{name} = (L\['\w+'\](?:\[\d+\])?\.size\(\)\[\d+\])", name, reason)
        for argument, axes in self.named.items():
            for axis, name in axes.items():
                reason = re.sub(rf"L\['{argument}'\]\.size\(\)\[{axis}\]", name, reason)
        for torchs, ours in _WORDS:
            reason = re.sub(torchs, ours, reason)
        return reason.strip().rstrip(".")

    @staticmethod
    def _fitting(text: str) -> dict[str, str]:
        """Torch's "Suggested fixes": a size, or a range, by name."""
        fixes: dict[str, str] = {}
        for name, least, most in re.findall(r"(\w+) = Dim\('\w+'(?:, min=(\d+))?(?:, max=(\d+))?\)", text):
            fixes[name] = f"{least or 1}..{most}" if most else f"{least or 1} or more"
        return fixes | dict(re.findall(r"(?m)^\s+(\w+) = (\d+)$", text))
