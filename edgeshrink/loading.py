"""What the user wants exported, loaded: a checkpoint and its traced graph, or an .onnx file."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgeshrink import checkpoint
from edgeshrink.digest import sha256_of
from edgeshrink.errors import InputError
from edgeshrink.inputs import InputSpec, Samples, read_samples
from edgeshrink.manifest import Source
from edgeshrink.onnx_reader import Traced, read_onnx

if TYPE_CHECKING:
    from torch import nn

__all__ = ["Network", "Progress", "Request", "load_network", "read_checkpoint", "silent", "source_of"]

Progress = Callable[[str], None]
"""Told what the road is doing, a few words at a time."""


def silent(_: str) -> None:
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
        trust_pickle: Whether a pickle may run what it imports; what that is, is printed to stderr first.
        inputs: Shapes of the network's inputs; may be empty where `samples` gives them.
        samples: An .npz of real inputs, and optionally labels.
        seed: Of the random inputs.
    """

    path: Path
    arch: str | None = None
    arch_args: dict[str, Any] | None = None
    masks: Path | None = None
    dendrite_activation: str | None = None
    trust_pickle: bool = False
    inputs: tuple[InputSpec, ...] = ()
    samples: Path | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        """Take paths given as text, too."""
        for name in ("path", "masks", "samples"):
            given = getattr(self, name)
            if given is not None:
                object.__setattr__(self, name, Path(given))


@dataclass(frozen=True)
class Network:
    """A network as it was given, beside its graph.

    Attributes:
        module: The torch network, None for an .onnx file.
        source: Which file it came from.
        contents: What the checkpoint held, None for an .onnx file.
        samples: The user's inputs, if any.
        warnings: What the user should know, one sentence each.
    """

    module: nn.Module | None
    source: Source
    contents: checkpoint.CheckpointContents | None
    samples: Samples | None
    warnings: tuple[str, ...]


def read_checkpoint(request: Request) -> checkpoint.Reading:
    """Read the request's file, which is no .onnx file, as far as that goes without a factory.

    Raises:
        InputError: The file or its masks are wrong, or do not fit each other.
    """
    opening = checkpoint.Opening(request.arch, request.trust_pickle)
    return checkpoint.read_file(request.path, opening, request.masks, request.dendrite_activation)


def load_network(
    request: Request, progress: Progress = silent, *, reading: checkpoint.Reading | None = None
) -> tuple[Network, Traced]:
    """Load a checkpoint and trace it, or read an .onnx file; returns what was given and its graph.

    Args:
        request: What to load.
        progress: Told what is going on.
        reading: The checkpoint, where it was read before; the network takes its tensors over.

    Raises:
        InputError: The file, the architecture, the inputs or the samples are wrong, or do not fit together.
    """
    samples = read_samples(request.samples) if request.samples else None
    odd = samples.warnings if samples else ()
    progress(f"reading {request.path.name}")
    if checkpoint.sniff(request.path) == "onnx":
        return _load_onnx(request, samples)
    from edgeshrink.trace import trace_module  # here, as an .onnx file need not wait for torch

    reading = reading or read_checkpoint(request)
    loaded = checkpoint.build(reading, arch=request.arch, arch_args=request.arch_args)
    contents = loaded.contents
    source = source_of(contents, request)
    progress("tracing the network")
    traced = trace_module(loaded.module, _input_specs(request, samples, contents.inputs))
    warnings = (*contents.warnings, *traced.warnings, *odd)
    return Network(loaded.module, source, contents, samples, warnings), traced


def source_of(contents: checkpoint.CheckpointContents, request: Request) -> Source:
    """Say where a network came from, with all that was given to read it."""
    activation = contents.activation
    return Source(
        contents.name,
        contents.sha256,
        contents.format,
        arch=request.arch,
        masks={"name": request.masks.name, "sha256": sha256_of(request.masks)} if request.masks else None,
        dendrite_activation={"name": activation, "from": contents.activation_source} if activation else None,
    )


def _load_onnx(request: Request, samples: Samples | None) -> tuple[Network, Traced]:
    given = {"--arch": request.arch, "--masks": request.masks, "--trust-pickle": request.trust_pickle}
    for flag, value in given.items():
        if value:
            raise InputError(
                f"{request.path} is an ONNX file, which {flag} does not go with.", f"Leave out {flag}."
            )
    traced = read_onnx(request.path, _known_specs(request, samples))
    warnings = (*traced.warnings, *(samples.warnings if samples else ()))
    return Network(None, Source.of_file(request.path, "ONNX"), None, samples, warnings), traced


def _input_specs(
    request: Request, samples: Samples | None, of_file: Sequence[InputSpec]
) -> Sequence[InputSpec]:
    """The inputs as the user or else the file tells them, which for a torch network must be all of them."""
    specs = _known_specs(request, samples) or of_file
    if not specs:
        raise InputError(
            "The shape of the network's input is not known.",
            "Add --input 1x3x224x224 (batch, channels, height, width as the network takes it), or --samples.",
        )
    return specs


def _known_specs(request: Request, samples: Samples | None) -> Sequence[InputSpec]:
    """The inputs the user gave, or one of each of the samples' arrays at batch size 1, or none."""
    if request.inputs or samples is None:
        return request.inputs
    return [
        InputSpec(name, (1, *array.shape[1:]), str(array.dtype)) for name, array in samples.arrays.items()
    ]
