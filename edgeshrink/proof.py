"""The proof that a baked network still computes what the user gave: the same inputs through all its forms."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

import onnx_ir as ir

from edgeshrink.inputs import Array, Samples, random_inputs, split_samples
from edgeshrink.manifest import Accuracy
from edgeshrink.verify import Parity, compare_outputs, require, run_onnx, run_torch

if TYPE_CHECKING:
    from torch import nn

__all__ = ["Forms", "Proof", "prove"]

RANDOM_INPUTS = 32
"""How many random inputs every export is verified with, beside the user's own samples."""

BUNDLED_SAMPLES = 64
"""At most how many inputs travel in the bundle for the parity check on the device."""

_WORDS = {
    "baseline": "the network before baking",
    "torch": "the torch network",
    "file": "the .onnx file's own network",
}


@dataclass(frozen=True)
class Forms:
    """One network in all its forms.

    Attributes:
        module: The torch network, None where an .onnx file was given.
        original: The graph as it was traced or read.
        baseline: The graph lowered, not baked.
        baked: The graph baked and lowered.
    """

    module: nn.Module | None
    original: ir.Model
    baseline: ir.Model
    baked: ir.Model


@dataclass(frozen=True)
class Proof:
    """What was found, and the samples that travel with the bundle.

    Attributes:
        parities: The baked network against `baseline`, and against what was given: `torch` or `file`.
        accuracy: Before and after, where labels came with the samples.
        feeds: Inputs for the device's own parity check.
        expected: The baseline's outputs for them.
    """

    parities: dict[str, Parity]
    accuracy: Accuracy | None
    feeds: list[dict[str, Array]]
    expected: list[dict[str, Array]]


def prove(forms: Forms, samples: Samples | None, seed: int, progress: Callable[[str], None]) -> Proof:
    """Run the user's samples and random inputs through all forms of a network.

    Raises:
        ParityError: The baked network differs from the one before baking, or from what was given.
        InputError: The samples do not fit the network.
    """
    given = split_samples(samples, forms.baseline) if samples else []
    feeds = [*given, *random_inputs(forms.baseline, RANDOM_INPUTS, seed)]
    progress(f"verifying on {len(feeds)} inputs")
    with ThreadPoolExecutor(1) as beside:  # torch keeps one core busy, ONNX Runtime has the others
        originally = beside.submit(_run_original, forms, feeds)
        before, after = run_onnx(forms.baseline, feeds), run_onnx(forms.baked, feeds)
        origin, as_given = originally.result()
    parities = {}
    for name, outputs in (("baseline", before), (origin, as_given)):
        parities[name] = compare_outputs(outputs, after)
        require(parities[name], f"The baked network against {_WORDS[name]}")
    labels = samples.labels if samples else None
    kept = min(len(given) or len(feeds), BUNDLED_SAMPLES)
    accuracy = Accuracy.measure(labels, before[: len(given)], after[: len(given)])
    return Proof(parities, accuracy, feeds[:kept], before[:kept])


def _run_original(forms: Forms, feeds: list[dict[str, Array]]) -> tuple[str, list[dict[str, Array]]]:
    """What the user gave, and its outputs."""
    if forms.module is None:
        return "file", run_onnx(forms.original, feeds)
    names = [output.name or "" for output in forms.baseline.graph.outputs]
    return "torch", run_torch(forms.module, feeds, names)
