"""The proof that a baked network still computes what the user gave: the same inputs through all its forms."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

import numpy as np

from edgeshrink.errors import EdgeshrinkError, InputError, ParityError
from edgeshrink.inputs import Array, Samples, SizeRange, random_inputs, sizes_at, split_samples
from edgeshrink.manifest import PROVEN_AGAINST, Accuracy
from edgeshrink.verify import Feed, Parity, compare_outputs, require, run_onnx, run_torch

if TYPE_CHECKING:
    import onnx_ir as ir
    from torch import nn

__all__ = [
    "Given",
    "Inputs",
    "PassByPass",
    "Proof",
    "inputs_for",
    "picking_operators",
    "prove",
    "run_given",
    "running",
]

Result = TypeVar("Result")

Given: TypeAlias = "tuple[nn.Module, list[str]] | Path"
"""What the user gave: a torch network with the names of its outputs, or an .onnx file."""

Outputs = tuple[str, list[dict[str, Array]]]
"""What kind of network ran, `torch` or `file`, and its outputs, one dictionary an input."""

RANDOM_INPUTS = 32
"""How many random inputs every export is verified with, beside the user's own samples.

Where sizes are open, they are shared out among opt, min, max and sizes between.
"""

BUNDLED_SAMPLES = 64
"""At most how many inputs travel in the bundle for the parity check on the device."""


_PICKING = {"ArgMax", "ArgMin", "Hardmax", "NonMaxSuppression", "TopK"}

_NOT_TRACEABLE = (
    "Baking changed nothing, so the graph that torch exported already differs: does forward draw random "
    "numbers, or branch on its data? If it does neither, please report it."
)


Types = Mapping[str, "np.dtype[Any]"]
"""Element types of inputs and outputs, by name."""


@dataclass(frozen=True)
class Inputs:
    """What a network is proven with.

    Attributes:
        feeds: The user's samples in batches of the network's own size, or of opt where that is open, then
            random inputs; in the types that the user's network takes.
        given: How many of them hold the user's samples.
        labels: One class index a sample, or None.
        origin: Where they come from, for the manifest.
        at_opt: How many of them, from the first on, have all open sizes at opt; None for all.
        device_types: Inputs and outputs that have another type on the device, and that type.
    """

    feeds: list[dict[str, Array]]
    given: int
    labels: Array | None
    origin: str
    at_opt: int | None = None
    device_types: Types = field(default_factory=dict)

    @property
    def device_feeds(self) -> list[dict[str, Array]]:
        """The same in the types that the device takes."""
        return [_cast(feed, self.device_types) for feed in self.feeds] if self.device_types else self.feeds


def inputs_for(
    model: ir.Model,
    samples: Samples | None,
    seed: int,
    ranges: Mapping[str, SizeRange] | None = None,
    device_types: Types | None = None,
) -> Inputs:
    """The user's samples, if any, and 32 random inputs from a fixed seed.

    Args:
        model: What takes them, in its own types.
        samples: The user's.
        seed: Of the random ones.
        ranges: What each open size may be, by name. Samples are run at opt, as the device will measure it.
        device_types: Inputs and outputs that are narrower on the device. Numbers are rounded to those types,
            so that all networks get the same ones.

    Raises:
        InputError: The samples do not fit the network, or a number not the device's type.
    """
    ranges, types = ranges or {}, device_types or {}
    given = split_samples(samples, model, sizes_at("opt", ranges)) if samples else []
    sizes, at_opt = _sizes_to_try(ranges, seed)
    drawn = random_inputs(model, RANDOM_INPUTS, seed, sizes)
    origin = samples.name if samples else f"random, seed {seed}"
    feeds = [_representable(feed, types, origin) for feed in (*given, *drawn)]
    labels = samples.labels if samples else None
    return Inputs(feeds, len(given), labels, origin, len(given) + at_opt, types)


def _sizes_to_try(ranges: Mapping[str, SizeRange], seed: int) -> tuple[list[dict[str, int]], int]:
    """The open sizes of each random input: at opt, min, max and between, as many each; and how many at opt.

    Those at opt come first, and are the rest where the number does not divide.
    """
    opt, *ends = (sizes_at(moment, ranges) for moment in ("opt", "min", "max"))
    ends = [end for end in ends if end != opt]
    share = RANDOM_INPUTS // (len(ends) + 2) if ranges else 0
    draw = np.random.default_rng(seed)
    between = [
        {name: int(draw.integers(size.min, size.max, endpoint=True)) for name, size in ranges.items()}
        for _ in range(share)
    ]
    others = [*(end for end in ends for _ in range(share)), *between]
    at_opt = RANDOM_INPUTS - len(others)
    return [*[opt] * at_opt, *others], at_opt


def _representable(feed: Feed, types: Types, origin: str) -> dict[str, Array]:
    """A feed in its own types, of numbers that the device's types hold as well."""
    narrow = _cast(feed, types)
    for name in feed.keys() & types.keys():
        wide = feed[name]
        kept = narrow[name] == wide if wide.dtype.kind in "iu" else np.isfinite(narrow[name])
        if (beyond := wide[~kept & np.isfinite(wide)]).size:
            wider = ", or choose a device with TensorRT 9 or newer" if wide.dtype.kind in "iu" else ""
            raise InputError(
                f"{origin}: input {name!r} holds {beyond.flat[0]}, and the device takes it as {types[name]}.",
                f"Give samples that {types[name]} holds{wider}.",
            )
    return {name: narrow[name].astype(array.dtype, copy=False) for name, array in feed.items()}


def _cast(feed: Feed, types: Types) -> dict[str, Array]:
    with np.errstate(over="ignore"):
        return {name: array.astype(types.get(name, array.dtype), copy=False) for name, array in feed.items()}


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


def picking_operators(model: ir.Model) -> list[str]:
    """The kinds of operators that pick by order: of two scores that are nearly equal, rounding chooses."""
    return sorted({node.op_type for node in model.graph.all_nodes()} & _PICKING)


def _picking(operators: Collection[str]) -> str:
    if not operators:
        return ""
    return (
        f"The network picks by order ({', '.join(operators)}): of scores that are nearly equal another may "
        "come first when sums are rounded otherwise, as between torch and any runtime. Export it up to the "
        "scores, which can be proven, and pick from them outside the network."
    )


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
        self._picks = picking_operators(model)
        self._expected = run_onnx(model, inputs.feeds)

    def __call__(self, name: str, model: ir.Model) -> None:
        """Let a model pass that still computes the same.

        Args:
            name: The rewrite that was made last.
            model: What it left; only read.

        Raises:
            ParityError: It computes something else, or does not run any more; the message names the pass.
        """
        hint = _picking(self._picks) or "Please report it, with the network where you can."
        hint += " Nothing was written."
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


def prove(
    as_given: Future[Outputs], baseline: Path, baked: Path, inputs: Inputs, picks: Collection[str] = ()
) -> Proof:
    """Run all inputs through the files of a network before and after baking, and compare.

    Args:
        as_given: The outputs of what the user gave, once they are there.
        baseline: The network lowered, not baked.
        baked: The network baked and lowered.
        inputs: What both are run on.
        picks: Operators of the network that pick by order, which rounding may change.

    Raises:
        ParityError: The baked network differs from the one before baking, or from what was given.
    """
    feeds, given = inputs.device_feeds, inputs.given
    before, after = run_onnx(baseline, feeds), run_onnx(baked, feeds)
    origin, outputs_given = as_given.result()
    parities = {}
    for name, outputs in (("baseline", before), (origin, outputs_given)):
        parities[name] = _compare(outputs, _in_types_of(outputs, after, inputs.device_types), given)
        hint = _picking(picks) or (_NOT_TRACEABLE if name == "torch" else "")
        require(parities[name], f"The baked network against {PROVEN_AGAINST[name]}", hint)
    kept = min(given or inputs.at_opt or len(feeds), BUNDLED_SAMPLES)
    accuracy = Accuracy.measure(inputs.labels, before[:given], after[:given])
    return Proof(parities, accuracy, feeds[:kept], before[:kept])


def _in_types_of(expected: Sequence[Feed], actual: Sequence[Feed], narrowed: Types) -> Sequence[Feed]:
    """What the device's network gave, in the types of what is expected: the wider hold all of the narrower.

    An integer beyond 32 bits then differs from what the narrow type made of it.
    """
    if not narrowed or not expected:
        return actual
    types = {name: array.dtype for name, array in expected[0].items() if name in narrowed}
    return [_cast(outputs, types) for outputs in actual]


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
