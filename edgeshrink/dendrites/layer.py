"""A dendritic layer: a soma and its dendrites reading the same input.

With x the input, f the soma's layer, f_i that of dendrite i, g the activation, and per-channel weights w, t:

    s_i = g( first(f_i(x)) + sum_{j<i} w_i[j] * s_j )
    y   = first(f(x)) + sum_i t[i] * s_i

``first`` takes element 0 of a tuple, so that recurrent layers can be somas; the other elements of the soma's
tuple pass unchanged. Nothing is activated after the last sum. These are the semantics of PerforatedAI's
dendrites in operation, summed in the same order, so that outputs agree to the last bits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn

from edgeshrink.dendrites.activations import activation as find_activation

__all__ = ["DendriticLayer"]


class DendriticLayer(nn.Module):
    """A layer with dendrites, for inference and for training alike.

    The mixing weights start at zero: a new layer computes what its soma computes, and learns from there.

    Args:
        soma: The layer itself, or a block such as ``nn.Sequential(conv, bn)``.
        dendrites: One module per dendrite, each taking the soma's input and giving its output's shape.
        channels: Size C of the output's channel dimension.
        channel_dim: Which dimension of the output that is (1 for convolutions, -1 or 2 for sequences).
        activation: Name of the dendrites' activation; see ``edgeshrink.dendrites.ACTIVATIONS``.

    Raises:
        InputError: No activation has that name.
    """

    def __init__(
        self,
        soma: nn.Module,
        dendrites: Iterable[nn.Module],
        channels: int,
        *,
        channel_dim: int = 1,
        activation: str = "sigmoid",
    ) -> None:
        super().__init__()
        self.soma = soma
        self.dendrites = nn.ModuleList(dendrites)
        self.channel_dim = channel_dim
        self.activation = activation
        self._activate: Callable[[Tensor], Tensor] = find_activation(activation)
        count = len(self.dendrites)
        #: between[i - 1] holds w_i, shape (i, C): what dendrite i reads of the dendrites before it.
        self.between = nn.ParameterList([nn.Parameter(torch.zeros(i, channels)) for i in range(1, count)])
        #: t, shape (D, C): what the output reads of each dendrite.
        self.top = nn.Parameter(torch.zeros(count, channels))
        # Without a hook inside, torch.nn.TransformerEncoderLayer in eval mode asks the layer for ``weight``,
        # the soma's, and computes with that alone.
        self.register_forward_pre_hook(_is_called)

    def forward(self, *args: object, **kwargs: object) -> object:
        """Run soma and dendrites on the same input; output and shape are the soma's."""
        result = self.soma(*args, **kwargs)
        output = _first(result)
        signals: list[Tensor] = []
        for index, dendrite in enumerate(self.dendrites):
            signal = _first(dendrite(*args, **kwargs))
            if index:
                signal = self._add(signal, self.between[index - 1], signals)
            signals.append(self._activate(signal))
        output = self._add(output, self.top, signals)
        return (output, *result[1:]) if isinstance(result, tuple) else output

    def _add(self, total: Tensor, weights: Tensor, signals: list[Tensor]) -> Tensor:
        """Add weights[j] * signals[j], weights (len(signals), C) broadcast along the channel dimension."""
        shape = [1] * total.dim()
        shape[self.channel_dim] = -1
        for index, signal in enumerate(signals):
            total = total + weights[index].view(shape) * signal
        return total

    def __getattr__(self, name: str) -> Any:
        # What code that uses the layer asks of it (``in_features``, ``weight``), the soma answers.
        try:
            return super().__getattr__(name)
        except AttributeError:
            if name == "soma":
                raise
            return getattr(self.soma, name)

    def extra_repr(self) -> str:
        """Show what the modules inside do not."""
        return f"activation={self.activation}, channel_dim={self.channel_dim}"


def _is_called(*_: object) -> None:
    """Nothing: it is there to be seen."""


def _first(result: Tensor | tuple[Tensor, ...]) -> Tensor:
    return result[0] if isinstance(result, tuple) else result
