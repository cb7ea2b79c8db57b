"""The plain layout: names are the network's own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from edgeshrink.checkpoint.layouts.arranged import Arranged
from edgeshrink.checkpoint.registry import register_layout

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Plain"]


@register_layout
class Plain:
    """Names are the network's own, so there is nothing to do."""

    title = "state_dict"

    def matches(self, names: Iterable[str]) -> bool:
        """Any names will do."""
        return True

    def arrange(self, tensors: Mapping[str, Tensor]) -> Arranged:
        """Take every tensor as it is."""
        return Arranged(plain=dict(tensors), source={name: name for name in tensors})
