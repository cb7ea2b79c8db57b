"""What PerforatedAI's forms share: collecting a layer's tensors, and checking that they fit together."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from edgeshrink.checkpoint.layouts.arranged import Dendrites
from edgeshrink.errors import InputError

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Wiring", "number", "require"]

_MOST_DIGITS = 6  # Python itself refuses to read numbers of thousands of digits, and not with an InputError
_MOST_DIMENSIONS = 16


def number(text: str, path: str) -> int:
    """Read the number of a dendrite or a weight out of its name."""
    require(len(text) <= _MOST_DIGITS, path, f"a name holds a number of {len(text)} digits")
    return int(text)


def require(fits: bool, path: str, problem: str) -> None:
    """Raise InputError with the problem of layer ``path`` unless it fits."""
    if not fits:
        raise InputError(
            f"layer {path}: {problem}",
            "The file is damaged or was changed after PerforatedAI saved it: save it again.",
        )


@dataclass
class Wiring:
    """One layer's dendrites while they are collected.

    Attributes:
        path: The layer.
        branches: Number of the dendrite -> name within the layer -> tensor.
        mixing: k -> (name in the file, weights (k, C) of what unit k reads; unit D is the output).
        node: Channel dimension as stored, an integer tensor of one element.
        shape: Vector with one element for each dimension of the output, as stored.
        channel_mark: What ``shape`` holds for the channel dimension, and for no other.
    """

    path: str
    channel_mark: int
    branches: dict[int, dict[str, Tensor]] = field(default_factory=dict)
    mixing: dict[int, tuple[str, Tensor]] = field(default_factory=dict)
    node: Tensor | None = None
    shape: Tensor | None = None

    def dendrites(self) -> Dendrites:
        """Check that the dendrites are whole: D branches, w_i of shape (i, C), output weights (D, C).

        Raises:
            InputError: They are not, or the channel dimension contradicts the tensors.
        """
        count, path = len(self.branches), self.path
        require(sorted(self.branches) == list(range(count)), path, self.numbering())
        _, top = self.mixing[count]
        require(
            top.dim() == 2 and len(top) == count, path, f"the output weights have shape {tuple(top.shape)}"
        )
        channels = top.shape[1]
        require(channels > 0, path, f"the output weights have shape {tuple(top.shape)}")
        for i in range(1, count + 1):
            name, weights = self.mixing[i]
            shape = tuple(weights.shape)
            require(shape == (i, channels), path, f"{name} is {shape}, not {(i, channels)}")
            require(weights.is_floating_point(), path, f"{name} is of type {weights.dtype}")
        return Dendrites(
            branches=tuple(self.branches[i] for i in range(count)),
            between=tuple(self.mixing[i][1] for i in range(1, count)),
            top=top,
            channel_dim=self._channel_dim(channels),
        )

    def numbering(self) -> str:
        """Show how the dendrites are numbered, for the message that they are not 0, 1, 2, ..."""
        numbers = sorted(self.branches)
        shown = ", ".join(map(str, numbers[:5])) + (", ..." if len(numbers) > 5 else "")
        return f"dendrites are numbered [{shown}]"

    def _channel_dim(self, channels: int) -> int:
        """Which dimension holds the channels, by all that the tensors say about it; 1 if they say nothing."""
        marked, dimensions = self._marked()
        if self.node is None:
            dim = 1 if marked is None else marked
        else:
            fraction = self.node.is_floating_point() or self.node.is_complex()
            whole = self.node.numel() == 1 and not fraction
            require(whole, self.path, "the channel dimension is no integer")
            dim = int(self.node)
        most = dimensions or _MOST_DIMENSIONS
        require(-most <= dim < most, self.path, f"the channel dimension is {dim}")
        if dimensions is None:
            return dim
        if marked is not None:
            agree = dim % dimensions == marked
            require(agree, self.path, f"the channel dimension is {dim}, but {marked} by the shape beside it")
        kernel, bias = self._lone_layer()
        if bias is not None and kernel is not None and dimensions == kernel.dim() and dim % dimensions == 1:
            fits = tuple(bias.shape) == (channels,)
            require(fits, self.path, f"it has {channels} output weights a dendrite, and {len(bias)} biases")
        return dim

    def _marked(self) -> tuple[int | None, int | None]:
        """The dimension marked as the channels', and the number of dimensions, where the tensors tell."""
        if self.shape is not None and self.shape.dim() == 1 and 0 < len(self.shape) <= _MOST_DIMENSIONS:
            marks = [i for i, value in enumerate(self.shape.tolist()) if value == self.channel_mark]
            return (marks[0] if len(marks) == 1 else None), len(self.shape)
        kernel, _ = self._lone_layer()
        return (1, kernel.dim()) if kernel is not None and kernel.dim() > 2 else (None, None)

    def _lone_layer(self) -> tuple[Tensor | None, Tensor | None]:
        """Weight and bias of the first dendrite where it is a linear layer or a convolution, not a block."""
        inside = self.branches[0]
        weight, bias = inside.get("weight"), inside.get("bias")
        if inside.keys() <= {"weight", "bias"} and weight is not None and weight.dim() > 1:
            return weight, bias if bias is not None and bias.dim() == 1 else None
        return None, None
