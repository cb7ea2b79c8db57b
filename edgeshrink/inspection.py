"""What is in a file, and what baking would do with it; nothing is written."""

from __future__ import annotations

from dataclasses import dataclass

from edgeshrink import checkpoint
from edgeshrink.bake.explain import LayerChange
from edgeshrink.checkpoint import CheckpointContents, LayerFacts
from edgeshrink.cost import Cost
from edgeshrink.device_form import cost_at_opt
from edgeshrink.loading import Progress, Request, load_network, read_checkpoint, silent, source_of
from edgeshrink.manifest import PassRecord, Source
from edgeshrink.pipeline import bake

__all__ = ["Forecast", "Inspection", "inspect"]


@dataclass(frozen=True)
class Forecast:
    """What baking does with the network: its passes, every layer's units, the figures before and after."""

    passes: tuple[PassRecord, ...]
    layers: tuple[LayerChange, ...]
    before: Cost
    after: Cost


@dataclass(frozen=True)
class Inspection:
    """What a file holds.

    Attributes:
        source: The file.
        activation: The dendrites' activation, None where there are no dendrites or the file is ONNX.
        activation_source: Where the activation was taken from.
        dropped: Training scaffolding that was dropped: rule -> number of tensors.
        layers: Per layer of a checkpoint, what its tensors tell; empty for an ONNX file.
        forecast: What baking would do; None for tensors without a network (--arch).
        warnings: What the user should know, one sentence each.
    """

    source: Source
    activation: str | None
    activation_source: str
    dropped: dict[str, int]
    layers: tuple[LayerFacts, ...]
    forecast: Forecast | None
    warnings: tuple[str, ...]


def inspect(request: Request, progress: Progress = silent) -> Inspection:
    """Look into a checkpoint or ONNX file; with a network at hand, bake it in memory.

    Raises:
        InputError: The file cannot be read, or --arch and --input do not fit it.
    """
    reading = None
    if checkpoint.sniff(request.path) != "onnx":
        progress(f"reading {request.path.name}")
        reading = read_checkpoint(request)
        contents = reading.contents
        if not _network_is_known(request, contents):
            return _inspection(source_of(contents, request), contents, None, contents.warnings)
    network, traced = load_network(request, progress, reading=reading)
    model = traced.model
    before = cost_at_opt(model, traced.ranges)
    baked = bake(model, progress)
    forecast = Forecast(baked.passes, baked.layers, before, cost_at_opt(model, traced.ranges))
    return _inspection(network.source, network.contents, forecast, network.warnings)


def _network_is_known(request: Request, contents: CheckpointContents) -> bool:
    """Tell whether there is a factory, or the network in the file and a shape to run it on."""
    if request.arch is not None and ":" in request.arch:
        return True
    return contents.holds_network and bool(request.inputs or request.samples or contents.inputs)


def _inspection(
    source: Source, contents: CheckpointContents | None, forecast: Forecast | None, warnings: tuple[str, ...]
) -> Inspection:
    return Inspection(
        source,
        contents.activation if contents else None,
        contents.activation_source if contents else "ONNX file",
        dict(contents.dropped) if contents else {},
        contents.layers if contents else (),
        forecast,
        warnings,
    )
