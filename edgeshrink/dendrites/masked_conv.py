"""Grouped convolutions that learn which of their filters to keep.

With weight W, bias b, one real-valued mask m per filter and a threshold t:

    keep = 1 where m > t, else 0
    y    = conv(x, W * keep, b * keep)

While training, the gradient passes the step as if keep were m (straight through), so that a filter can come
back. In eval mode nothing but the two products is computed: a masked filter gives exact zeros.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn

__all__ = ["MaskedGroupedConv1d", "MaskedGroupedConv2d", "MaskedGroupedConv3d"]

_Convolution = nn.modules.conv._ConvNd


class _Masked(_Convolution):
    """What the convolutions have in common: the mask, the threshold and the forward pass."""

    threshold: Tensor

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | Sequence[int],
        *,
        threshold: float = 0.5,
        **options: Any,
    ) -> None:
        size: Any = kernel_size if isinstance(kernel_size, int) else tuple(kernel_size)
        super().__init__(in_channels, out_channels, size, **options)
        self.mask = nn.Parameter(self.weight.new_ones(out_channels))
        self.register_buffer("threshold", self.weight.new_tensor(float(threshold)))

    def keep(self) -> Tensor:
        """1 for each filter kept, 0 for the others, shape (C_out,); in training with the mask's gradient."""
        kept = (self.mask > self.threshold).to(self.weight.dtype)
        return kept + (self.mask - self.mask.detach()) if self.training else kept

    def forward(self, x: Tensor) -> Tensor:
        """Convolve x (N, C_in, *positions) with the filters kept; gives (N, C_out, *positions)."""
        keep = self.keep()
        weight = self.weight * keep.view(-1, *[1] * (self.weight.dim() - 1))
        bias = None if self.bias is None else self.bias * keep
        output: Tensor = self._conv_forward(x, weight, bias)
        return output

    def extra_repr(self) -> str:
        """Show what a convolution shows, and how many filters are kept."""
        shown: str = super().extra_repr()  # type: ignore[no-untyped-call]
        return f"{shown}, kept={int(self.keep().sum())}, threshold={float(self.threshold)}"


class MaskedGroupedConv1d(_Masked, nn.Conv1d):
    """A convolution over sequences with a learnable mask per filter; see MaskedGroupedConv2d."""


class MaskedGroupedConv2d(_Masked, nn.Conv2d):
    """A convolution over images (N, C_in, H, W) with a learnable mask per filter, to train and to run.

    Its tensors are ``weight`` (C_out, C_in / groups, kH, kW), ``bias`` (C_out,) if any, the parameter
    ``mask`` (C_out,) and the 0-d buffer ``threshold``: a state_dict says by itself which filters are kept.
    Masks start at 1, every filter kept; it is the loss that drives them down, by a penalty on ``mask`` say.

    Args:
        in_channels: C_in.
        out_channels: C_out, the number of filters.
        kernel_size: One size for all dimensions, or one for each.
        threshold: A filter is kept iff its mask is greater.
        options: ``stride``, ``padding``, ``dilation``, ``groups``, ``bias``, ``padding_mode``, ``device`` and
            ``dtype``, as torch.nn.Conv2d takes them.

    Raises:
        ValueError: torch refuses the arguments.
    """


class MaskedGroupedConv3d(_Masked, nn.Conv3d):
    """A convolution over volumes with a learnable mask per filter; see MaskedGroupedConv2d."""
