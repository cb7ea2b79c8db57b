"""The proof that a baked network still computes what the user gave: the same inputs through all its forms."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, TypeAlias, TypeVar

import numpy as np

from edgeshrink.errors import EdgeshrinkError, InputError, ParityError
from edgeshrink.inputs import Array, Samples, random_inputs, split_samples
from edgeshrink.manifest import PROVEN_AGAINST, Accuracy
from edgeshrink.verify import Feed, Parity, compare_outputs, require, run_onnx, run_torch

if TYPE_CHECKING:
    import onnx_ir as ir
    from torch import nn

__all__ = ["Given", "Inputs", "PassByPass", "Proof", "inputs_for", "prove", "run_given", "running"]

Result = TypeVar("Result")

Given: TypeAlias = "tuple[nn.Module, list[str]] | Path"
"""What the user gave: a torch network with the names of its outputs, or an .onnx file."""

Outputs = tuple[str, list[dict[str, Array]]]
"""What kind of network ran, `torch` or `file`, and its outputs, one dictionary an input."""

RANDOM_INPUTS = 32
"""How many random inputs every export is verified with, beside the user's own samples."""

BUNDLED_SAMPLES = 64
"""At most how many inputs travel in the bundle for the parity check on the device."""


_NOT_TRACEABLE = (
    "Baking changed nothing, so the graph that torch exported already differs: does forward draw random "
    "numbers, or branch on its data? If it does neither, please report it."
)


@dataclass(frozen=True)
class Inputs:
    """What a network is proven with.

    Attributes:
        feeds: The user's samples in batches of the network's own size, then random inputs.
        given: How many of them hold the user's samples.
        labels: One class index a sample, or None.
        origin: Where they come from, for the manifest.
    """

    feeds: list[dict[str, Array]]
    given: int
    labels: Array | None
    origin: str


def inputs_for(model: ir.Model, samples: Samples | None, seed: int) -> Inputs:
    """The user's samples, if any, and 32 random inputs from a fixed seed.

    Raises:
        InputError: The samples do not fit the network.
    """
    given = split_samples(samples, model) if samples else []
    drawn = random_inputs(model, RANDOM_INPUTS, seed)
    origin = samples.name if samples else f"random, seed {seed}"
    return Inputs([*given, *drawn], len(given), samples.labels if samples else None, origin)


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


class PassByPass:
    """Compares a model after each rewrite with what it computed before the first, to name the one at fault.

    Args:
        model: Before all rewrites; it is run at once.
        inputs: What it is run on, each time.

    Raises:
        InputError: The network does not run on these inputs.
    """

    def __init__(self, model: ir.Model, inputs: Inputs) -> None:
        self._inputs = inputs
        self._expected = run_onnx(model, inputs.feeds)

    def __call__(self, name: str, model: ir.Model) -> None:
        """Let a model pass that still computes the same.

        Args:
            name: The rewrite that was made last.
            model: What it left; only read.

        Raises:
            ParityError: It computes something else, or does not run any more; the message names the pass.
        """
        hint = "Please report it, with the network where you can. Nothing was written."
        try:
            actual = run_onnx(model, self._inputs.feeds)
        except EdgeshrinkError as error:
            raise ParityError(f"Pass {name} left a network that does not run: {error}", hint) from error
        parity = _judge(_groups(self._expected, actual, self._inputs.given))
        if not parity.ok:
            raise ParityError(
                f"Pass {name} changed {parity.worst}: {parity.max_rel_error:.3g} of its scale "
                f"(allowed {parity.tolerance:.3g}).",
                hint,
            )


@contextmanager
def running(run: Callable[[Iterable[Feed]], Result], feeds: Sequence[Feed]) -> Iterator[Future[Result]]:
    """Run what the user gave beside whatever the block does; torch keeps one core busy, and only one.

    Leaving the block early, by an error or Ctrl-C, stops the run after the input it is at.
    """
    stopped = Event()
    with ThreadPoolExecutor(1) as beside:
        try:
            yield beside.submit(run, (feed for feed in feeds if not stopped.is_set()))
        finally:
            stopped.set()


def prove(as_given: Future[Outputs], baseline: Path, baked: Path, inputs: Inputs) -> Proof:
    """Run all inputs through the files of a network before and after baking, and compare.

    Args:
        as_given: The outputs of what the user gave, once they are there.
        baseline: The network lowered, not baked.
        baked: The network baked and lowered.
        inputs: What both are run on.

    Raises:
        ParityError: The baked network differs from the one before baking, or from what was given.
    """
    feeds, given = inputs.feeds, inputs.given
    before, after = run_onnx(baseline, feeds), run_onnx(baked, feeds)
    origin, outputs_given = as_given.result()
    parities = {}
    for name, outputs in (("baseline", before), (origin, outputs_given)):
        parities[name] = _compare(outputs, after, given)
        hint = _NOT_TRACEABLE if name == "torch" else ""
        require(parities[name], f"The baked network against {PROVEN_AGAINST[name]}", hint)
    kept = min(given or len(feeds), BUNDLED_SAMPLES)
    accuracy = Accuracy.measure(inputs.labels, before[:given], after[:given])
    return Proof(parities, accuracy, feeds[:kept], before[:kept])


def _compare(expected: Sequence[Feed], actual: Sequence[Feed], given: int) -> Parity:
    """The user's samples and the random inputs each by their own scale; the worse of the two stands for both.

    Random inputs may lie outside what the network takes (below a logarithm's zero, say): beside samples they
    need not say anything.

    Raises:
        InputError: An output is never finite on what was given.
    """
    pairs = [(left, right) for left, right in _groups(expected, actual, given) if _says_something(left)]
    if not pairs or (given and not _says_something(expected[:given])):
        raise InputError(
            "An output is NaN or infinite on every input, so nothing can be proven.",
            "Give inputs that the network takes with --samples.",
        )
    return _judge(pairs)


def _groups(
    expected: Sequence[Feed], actual: Sequence[Feed], given: int
) -> list[tuple[Sequence[Feed], Sequence[Feed]]]:
    """What came of the user's samples, and what came of the random inputs, as far as there are any."""
    groups = ((expected[:given], actual[:given]), (expected[given:], actual[given:]))
    return [(left, right) for left, right in groups if left]


def _judge(pairs: Sequence[tuple[Sequence[Feed], Sequence[Feed]]]) -> Parity:
    """The worse of what each pair gives."""
    found = [compare_outputs(left, right) for left, right in pairs]
    worst = min(found, key=lambda parity: (parity.ok, -parity.max_rel_error))
    return replace(worst, samples=sum(parity.samples for parity in found))


def _says_something(outputs: Sequence[Feed]) -> bool:
    """Whether every output is finite somewhere."""
    return all(
        any(not run[name].size or np.isfinite(run[name]).any() for run in outputs) for name in outputs[0]
    )


def run_given(given: Given, feeds: Iterable[Feed]) -> Outputs:
    """What kind of network the user gave, and its outputs."""
    if isinstance(given, tuple):
        module, output_names = given
        return "torch", run_torch(module, feeds, output_names)
    return "file", run_onnx(given, feeds)
