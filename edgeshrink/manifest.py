"""manifest.json: where a bundle came from, what was done to it, and the proof that it computes the same."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import edgeshrink
from edgeshrink.digest import sha256_of
from edgeshrink.errors import InputError
from edgeshrink.inputs import Selector, shape_at, sizes_at

if TYPE_CHECKING:
    import onnx_ir as ir

    from edgeshrink.bake.explain import LayerChange
    from edgeshrink.cost import Cost
    from edgeshrink.devices import Device
    from edgeshrink.inputs import Array, SizeRange
    from edgeshrink.lint import Finding
    from edgeshrink.lower import LowerReport, NarrowInterface
    from edgeshrink.proof import Proof
    from edgeshrink.verify import Parity

__all__ = [
    "PROVEN_AGAINST",
    "SCHEMA_VERSION",
    "Accuracy",
    "Interface",
    "Made",
    "PassRecord",
    "Source",
    "build_manifest",
]

SCHEMA_VERSION = 1
"""Of the manifests that are written, and the newest that can be read."""

PROVEN_AGAINST = {
    "baseline": "the network before baking",
    "torch": "the torch network",
    "file": "the .onnx file's own network",
}
"""What a baked network is compared with, by its key under `parity.against`."""


@dataclass(frozen=True)
class Source:
    """The file a bundle was made from.

    Attributes:
        name: Without folders.
        sha256: In hex.
        format: In words.
        arch: The factory that built the network, as it was given; None where the file holds the network.
        masks: The sidecar file of masks, name and sha256; None where there was none.
        dendrite_activation: The dendrites' activation, which is in no weight file, and where it was taken
            from; None without dendrites.
    """

    name: str
    sha256: str
    format: str
    arch: str | None = None
    masks: Mapping[str, str] | None = None
    dendrite_activation: Mapping[str, str] | None = None

    @staticmethod
    def of_file(path: Path, file_format: str) -> Source:
        """Describe a file; reads all of it."""
        return Source(path.name, sha256_of(path), file_format)


@dataclass(frozen=True)
class PassRecord:
    """One pass: whether its rewrite is exact, whether it changed anything, and what, in counts."""

    name: str
    exact: bool
    changed: bool
    detail: Mapping[str, int]

    @staticmethod
    def of_lowering(report: LowerReport) -> PassRecord:
        """Lowering as a pass: how many nodes each rule rewrote."""
        return PassRecord("Lower", True, report.changed, dict(report.rules))

    @staticmethod
    def of_narrowing(narrow: NarrowInterface) -> PassRecord:
        """The interface's types as a pass: how many inputs and outputs changed."""
        detail = {"inputs": narrow.inputs, "outputs": narrow.outputs}
        return PassRecord(
            "NarrowInterface", narrow.exact, bool(narrow.warnings), {k: n for k, n in detail.items() if n}
        )


@dataclass(frozen=True)
class Accuracy:
    """Share of samples whose largest output is the labelled class, before and after baking."""

    before: float
    after: float
    samples: int

    @staticmethod
    def measure(
        labels: Array | None, before: Sequence[Mapping[str, Array]], after: Sequence[Mapping[str, Array]]
    ) -> Accuracy | None:
        """Measure on a classifier's only output, (batch, classes); None without labels, or for others.

        Raises:
            InputError: A label is no class of the network.
        """
        if labels is None or not before or len(before[0]) != 1:
            return None
        shape = next(iter(before[0].values())).shape
        if len(shape) != 2 or shape[1] < 2 or -(-len(labels) // shape[0]) != len(before):
            return None
        if labels.min() < 0 or labels.max() >= shape[1]:
            raise InputError(
                f"The labels go from {labels.min()} to {labels.max()}, the network has {shape[1]} classes.",
                f"Give class indices from 0 to {shape[1] - 1}.",
            )
        hits = [
            np.concatenate([next(iter(out.values())).argmax(axis=1) for out in outputs])[: len(labels)]
            == labels
            for outputs in (before, after)
        ]
        return Accuracy(float(hits[0].mean()), float(hits[1].mean()), len(labels))


@dataclass(frozen=True)
class Interface:
    """A model from outside: versions, and inputs and outputs as they stand in the manifest."""

    opset: int
    ir_version: int
    inputs: list[dict[str, Any]]
    outputs: list[dict[str, Any]]

    @staticmethod
    def of(model: ir.Model, ranges: Mapping[str, SizeRange] | None = None) -> Interface:
        """Read it off a model; `ranges` says what its open sizes may be, by name."""
        graph = model.graph
        return Interface(
            graph.opset_imports[""],
            model.ir_version,
            [_describe(value) | _profile(value, ranges or {}) for value in graph.inputs],
            [_describe(value) for value in graph.outputs],
        )


def _describe(value: ir.Value) -> dict[str, Any]:
    """Name, shape (a name for each symbolic size) and dtype of a graph input or output."""
    shape = [size if isinstance(size, int) else str(size) for size in value.shape or ()]
    return {"name": value.name, "shape": shape, "dtype": str(value.dtype and value.dtype.numpy())}


def _profile(value: ir.Value, ranges: Mapping[str, SizeRange]) -> dict[str, Any]:
    """The shapes of an optimization profile, `min`, `opt` and `max`, where sizes of an input are open."""
    if not any(str(size) in ranges for size in value.shape or ()):
        return {}
    selectors: tuple[Selector, ...] = ("min", "opt", "max")
    return {selector: list(shape_at(value, sizes_at(selector, ranges))) for selector in selectors}


@dataclass(frozen=True)
class Made:
    """What was made of a network.

    Attributes:
        exporter: What wrote the graph: torch's exporter, its older one, or an .onnx file.
        interface: The baked model from outside.
        passes: Every pass in order, lowering and what follows it last.
        layers: Every layer with constant weights, before and after.
        before, after: Figures of the lowered network without and with baking.
        lint: What the device's parser is said to refuse, misread or run slowly.
        warnings: What the user should know of it, one sentence each.
    """

    exporter: str
    interface: Interface
    passes: tuple[PassRecord, ...]
    layers: tuple[LayerChange, ...]
    before: Cost
    after: Cost
    lint: tuple[Finding, ...] = ()
    warnings: tuple[str, ...] = ()


def build_manifest(
    source: Source, device: Device, made: Made, proof: Proof, samples_from: str, warnings: Sequence[str]
) -> dict[str, Any]:
    """Put together the document of a bundle; every value is plain JSON.

    `inputs` and `outputs` state name, shape and dtype as the device sees them; an open size stands in `shape`
    by its name, and such an input has three more shapes, of numbers alone: `min`, `opt` and `max`, the
    optimization profile to build the engine with. The bundle's samples are at opt.

    `parity` holds the worst over all comparisons, and under `against` each by itself: `baseline` is the same
    network before baking, `torch` the network in torch, `file` an .onnx file as it came.
    """
    return {
        "schema_version": SCHEMA_VERSION,
        "edgeshrink_version": edgeshrink.__version__,
        "source": asdict(source),
        "device": device.name,
        "exporter": made.exporter,
        **asdict(made.interface),
        "samples": samples_from,
        "passes": [{**asdict(record), "detail": dict(record.detail)} for record in made.passes],
        "parity": _parity(proof.parities),
        "accuracy": None if proof.accuracy is None else asdict(proof.accuracy),
        "before": asdict(made.before),
        "after": asdict(made.after),
        "layers": [asdict(layer) for layer in made.layers],
        "lint": [asdict(finding) for finding in made.lint],
        "warnings": [*warnings, *made.warnings],
    }


def _parity(parities: Mapping[str, Parity]) -> dict[str, Any]:
    return {
        "max_abs_error": max(parity.max_abs_error for parity in parities.values()),
        "max_rel_error": max(parity.max_rel_error for parity in parities.values()),
        "samples": min(parity.samples for parity in parities.values()),
        "ok": all(parity.ok for parity in parities.values()),
        "against": {name: asdict(parity) for name, parity in parities.items()},
    }
