"""An adaptive gate: each branch of the channels is scaled by its own strength.

With x_g the channels of branch g, and a_g, b_g learned, one of each per branch:

    y_g = x_g * sigmoid(a_g * mean|x_g| + b_g)

The mean runs over all filters of the branch, the masked ones included, and over all positions. It is
computed as the mean over positions, (N, C), times a constant (C, G) matrix of 1 / (filters of the branch):
what removes a channel removes its row and keeps the denominator, also where branches end up unequally wide.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

__all__ = ["AdaptiveGate"]


class AdaptiveGate(nn.Module):
    """Scale the branches of a tensor's channels, each by its own activity, to train and to run.

    ``a`` and ``b``, of shape (G,), are all it learns. A new gate passes half of everything: a = b = 0.

    Args:
        widths: How many channels each of the G branches has, in their order; all at least 1.

    Raises:
        ValueError: There is no branch, or one has no channel.
    """

    share: Tensor
    member: Tensor

    def __init__(self, widths: Sequence[int]) -> None:
        super().__init__()
        if not widths or min(widths) < 1:
            raise ValueError(f"the widths of the branches are {list(widths)}: each takes at least 1 channel")
        self.widths = tuple(widths)
        branch = torch.arange(len(widths)).repeat_interleave(torch.tensor(self.widths))
        member = nn.functional.one_hot(branch, len(widths)).to(torch.get_default_dtype())
        #: (C, G): 1 / (channels of the branch) where a channel belongs to it, else 0. Not stored.
        self.register_buffer("share", member / member.sum(0), persistent=False)
        #: (G, C): 1 where a channel belongs to the branch, else 0.
        self.register_buffer("member", member.T.contiguous(), persistent=False)
        self.a = nn.Parameter(torch.zeros(len(widths)))
        self.b = nn.Parameter(torch.zeros(len(widths)))

    def forward(self, x: Tensor) -> Tensor:
        """Gate x of shape (N, C, *positions), with any number of position dimensions, also none."""
        positions = list(range(2, x.dim()))
        activity = x.abs().mean(positions) if positions else x.abs()
        gate = torch.sigmoid(self.a * (activity @ self.share) + self.b) @ self.member
        return x * gate.view(*gate.shape, *[1] * len(positions))

    def extra_repr(self) -> str:
        """Show the branches' widths."""
        return f"widths={self.widths}"
