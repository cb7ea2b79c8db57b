"""edgeshrink: dendritic and pruned networks, made physically small for the edge board they are meant for.

The road is `export(Request(path, ...), target="jetson-nano", output=folder)`; its stations are `load_network`
and `bake`, and `profile_models` measures what comes out. Names are imported when first used: torch and ONNX
take seconds.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_HOMES = {
    "Bundle": "edgeshrink.bundle",
    "EdgeshrinkError": "edgeshrink.errors",
    "InputError": "edgeshrink.errors",
    "InputSpec": "edgeshrink.inputs",
    "ParityError": "edgeshrink.errors",
    "Request": "edgeshrink.pipeline",
    "SizeRange": "edgeshrink.inputs",
    "UnsupportedError": "edgeshrink.errors",
    "export": "edgeshrink.pipeline",
    "inspect": "edgeshrink.inspection",
    "load_network": "edgeshrink.pipeline",
    "profile_models": "edgeshrink_device",
    "read_bundle": "edgeshrink.bundle",
}

__all__ = ["__version__", *sorted(_HOMES)]


def __getattr__(name: str) -> Any:
    """Import a public name from where it lives."""
    if name not in _HOMES:
        raise AttributeError(f"module 'edgeshrink' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    """The public names, imported or not."""
    return sorted(__all__)
