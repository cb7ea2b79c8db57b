"""The road: load, trace, bake, lower, verify, bundle, in that order and nowhere else."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import onnx_ir as ir
from onnx_ir.passes.common import InlinePass, ShapeInferencePass

from edgeshrink import checkpoint
from edgeshrink.bake.base import BakePass
from edgeshrink.bake.clean_up import CleanUp
from edgeshrink.bake.drop_constant_branches import DropConstantBranches
from edgeshrink.bake.explain import LayerChange, compare_layers, layer_units
from edgeshrink.bake.fold_batchnorm import FoldBatchNorm
from edgeshrink.bake.fold_constants import FoldConstants
from edgeshrink.bake.remove_units import RemoveUnits
from edgeshrink.bake.trim_kernels import TrimKernels
from edgeshrink.bundle import Bundle, check_target, read_bundle, write_bundle
from edgeshrink.cost import cost
from edgeshrink.devices import device
from edgeshrink.errors import InputError
from edgeshrink.inputs import InputSpec, Samples, read_samples
from edgeshrink.lower import lower
from edgeshrink.manifest import PassRecord, Source, build_manifest
from edgeshrink.proof import Forms, prove
from edgeshrink.trace import Traced, read_onnx, trace_module

if TYPE_CHECKING:
    from torch import nn

__all__ = ["BAKE_PASSES", "Baked", "Network", "Request", "bake", "export", "load_network"]

# In this order, and for these reasons:
FOLD_PASSES: tuple[type[BakePass], ...] = (
    FoldConstants,  # masks that the network multiplies in become zeros of its weights
    FoldBatchNorm,  # a dead filter's constant moves from the BatchNorm into a bias
)
BAKE_PASSES: tuple[type[BakePass], ...] = (
    *FOLD_PASSES,
    TrimKernels,  # less padding means more constants that survive it
    DropConstantBranches,  # dead dendrites and branches go before their units are looked at one by one
    RemoveUnits,  # dead, constant and unread units leave every layer
    TrimKernels,  # the filters that used the outer taps may have left
    CleanUp,  # what nobody reads any more
)

Progress = Callable[[str], None]
"""Told what the road is doing, a few words at a time."""


def _silent(_: str) -> None:
    """Progress for nobody."""


@dataclass(frozen=True)
class Request:
    """What the user wants exported.

    Attributes:
        path: The checkpoint, or an .onnx file.
        arch: Factory of the plain network; needed by every format that stores tensors alone.
        arch_args: Keyword arguments of the factory.
        masks: A sidecar file of masks.
        dendrite_activation: The dendrites' activation, where the file beside the checkpoint does not say.
        inputs: Shapes of the network's inputs; may be empty where `samples` gives them.
        samples: An .npz of real inputs, and optionally labels.
        seed: Of the random inputs.
    """

    path: Path
    arch: str | None = None
    arch_args: dict[str, Any] | None = None
    masks: Path | None = None
    dendrite_activation: str | None = None
    inputs: tuple[InputSpec, ...] = ()
    samples: Path | None = None
    seed: int = 0


@dataclass(frozen=True)
class Network:
    """A network after load and trace.

    Attributes:
        traced: The graph, and which exporter wrote it.
        module: The torch network, None for an .onnx file.
        source: Which file it came from.
        contents: What the checkpoint held, None for an .onnx file.
        samples: The user's inputs, if any.
        warnings: What the user should know, one sentence each.
    """

    traced: Traced
    module: nn.Module | None
    source: Source
    contents: checkpoint.CheckpointContents | None
    samples: Samples | None
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class Baked:
    """What baking did to a graph.

    Attributes:
        passes: Every pass in order.
        layers: Every layer with constant weights, before and after.
    """

    passes: tuple[PassRecord, ...]
    layers: tuple[LayerChange, ...]


def load_network(request: Request, progress: Progress = _silent) -> Network:
    """Load a checkpoint and trace it, or read an .onnx file.

    Raises:
        InputError: The file, the architecture, the inputs or the samples are wrong, or do not fit together.
    """
    samples = read_samples(request.samples) if request.samples else None
    progress(f"reading {request.path.name}")
    if checkpoint.sniff(request.path) == "onnx":
        return _load_onnx(request, samples)
    loaded = checkpoint.load(
        request.path,
        arch=request.arch,
        arch_args=request.arch_args,
        masks=request.masks,
        dendrite_activation=request.dendrite_activation,
    )
    progress("tracing the network")
    traced = trace_module(loaded.module, _input_specs(request, samples))
    contents = loaded.contents
    return Network(
        traced,
        loaded.module,
        Source(contents.name, contents.sha256, contents.format),
        contents,
        samples,
        (*loaded.warnings, *traced.warnings),
    )


def _load_onnx(request: Request, samples: Samples | None) -> Network:
    given = {"--arch": request.arch, "--masks": request.masks, "--input": request.inputs}
    for flag, value in given.items():
        if value:
            raise InputError(
                f"{request.path} is an ONNX file, which {flag} does not go with.", f"Leave out {flag}."
            )
    traced = read_onnx(request.path)
    return Network(traced, None, Source.of_file(request.path, "ONNX"), None, samples, traced.warnings)


def _input_specs(request: Request, samples: Samples | None) -> Sequence[InputSpec]:
    """The inputs the user gave, or one of each of the samples' arrays at batch size 1."""
    if request.inputs:
        return request.inputs
    if samples is None:
        raise InputError(
            "The shape of the network's input is not known.",
            "Add --input 1x3x224x224 (batch, channels, height, width as the network takes it), or --samples.",
        )
    return [
        InputSpec(name, (1, *array.shape[1:]), str(array.dtype)) for name, array in samples.arrays.items()
    ]


def bake(model: ir.Model, progress: Progress = _silent) -> Baked:
    """Bake a model in place: every pass in order, with what each did."""
    if any(value.shape is None for node in model.graph for value in node.outputs):
        InlinePass()(model)
        ShapeInferencePass(strict_mode=False)(model)
    records = []
    layers: dict[str, tuple[str, int, tuple[int, ...]]] = {}
    for index, rewrite in enumerate(BAKE_PASSES):
        progress(f"baking: {rewrite.__name__}")
        bake_pass = rewrite()
        bake_pass(model)
        records.append(
            PassRecord(rewrite.__name__, bake_pass.exact, bool(bake_pass.detail), bake_pass.detail)
        )
        if index == len(FOLD_PASSES) - 1:
            layers = layer_units(model.graph)
    return Baked(tuple(records), tuple(compare_layers(layers, model.graph)))


def export(
    request: Request, *, target: str, output: Path, force: bool = False, progress: Progress = _silent
) -> Bundle:
    """Drive a checkpoint down the whole road.

    Args:
        request: What to export.
        target: A device's name, or the path of a device profile.
        output: The bundle's folder.
        force: Replace a bundle that stands there.
        progress: Told what is going on.

    Raises:
        InputError: Something given is wrong; nothing was written.
        UnsupportedError: The device's parser has no form for some operator.
        ParityError: The baked network differs from the original; nothing was written.
    """
    to = device(target)
    check_target(output, force=force)
    network = load_network(request, progress)
    model = network.traced.model
    original, baseline = model.clone(), model.clone()
    baked = bake(model, progress)
    progress(f"lowering to opset {to.opset}")
    lowered = [PassRecord.of_lowering(lower(graph, to)) for graph in (baseline, model)][1]
    forms = Forms(network.module, original, baseline, model)
    proof = prove(forms, network.samples, request.seed, progress)
    progress("writing the bundle")
    manifest = build_manifest(
        source=network.source,
        device=to,
        model=model,
        passes=(*baked.passes, lowered),
        layers=baked.layers,
        exporter=network.traced.exporter,
        parity=proof.parities,
        accuracy=proof.accuracy,
        samples_from=network.samples.name if network.samples else f"random, seed {request.seed}",
        before=cost(baseline),
        after=cost(model),
        warnings=network.warnings,
    )
    write_bundle(
        output,
        model=model,
        baseline=baseline,
        samples_in=proof.feeds,
        expected_out=proof.expected,
        manifest=manifest,
        force=force,
    )
    return read_bundle(output)
