"""edgeshrink: dendritic and pruned networks, made physically small for the edge board they are meant for."""

from __future__ import annotations

__version__ = "0.1.0"
