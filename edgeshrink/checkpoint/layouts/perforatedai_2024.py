"""PerforatedAI's names of 2024 (``mainModule``, ``pb``, ``newestPBtoTop``): recognised, and refused.

    P.mainModule.<name>          the layer itself
    P.pb.layers.<i>.<name>       dendrite i
    P.newestPBtoTop              (D, C): output weights of the newest stage

That library kept the wiring of each stage in a plain Python dictionary, which a state_dict leaves out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from edgeshrink.checkpoint.registry import register_layout
from edgeshrink.errors import InputError

if TYPE_CHECKING:
    from torch import Tensor

    from edgeshrink.checkpoint.layouts.arranged import Arranged

__all__ = ["PerforatedAI2024"]

_OF_SOMA, _OF_DENDRITES = "mainModule", {"pb", "newestPBtoTop"}


@register_layout
class PerforatedAI2024:
    """Layers with dendrites as the library of 2024 named them."""

    title = "PerforatedAI of 2024"

    def matches(self, names: Iterable[str]) -> bool:
        """Look for a soma, and for anything of dendrites."""
        words = {word for name in names for word in name.split(".")}
        return _OF_SOMA in words and bool(words & _OF_DENDRITES)

    def arrange(self, tensors: Mapping[str, Tensor]) -> Arranged:
        """Refuse.

        Raises:
            InputError: Always, with the reason and the way out.
        """
        sign = next(name for name in tensors if _OF_SOMA in name.split("."))
        raise InputError(
            f"the checkpoint has the names of PerforatedAI's library of 2024 ({sign}), whose files hold the "
            "newest output weights alone: the weights between dendrites and of earlier stages are not in "
            "them, so the network cannot be put together again",
            "Where it was trained, load it with that library and export it to ONNX (torch.onnx.export), and "
            "give the .onnx file; or train it again with perforatedai 3.0 or newer.",
        )
