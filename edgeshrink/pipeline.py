"""The road: load, trace, bake, lower, verify, bundle, in that order and nowhere else."""

from __future__ import annotations

import ctypes
import gc
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import onnx_ir as ir
from onnx_ir.passes.common import InlinePass

from edgeshrink.bake.base import BakePass
from edgeshrink.bake.clean_up import CleanUp
from edgeshrink.bake.drop_constant_branches import DropConstantBranches
from edgeshrink.bake.drop_nan_guards import DropNanGuards
from edgeshrink.bake.drop_zero_states import DropZeroStates
from edgeshrink.bake.explain import LayerChange, LayerUnits, compare_layers, layer_units
from edgeshrink.bake.fold_batchnorm import FoldBatchNorm
from edgeshrink.bake.fold_beta import FoldBeta
from edgeshrink.bake.fold_constants import FoldConstants
from edgeshrink.bake.merge_directions import MergeDirections
from edgeshrink.bake.merge_duplicates import MergeDuplicates
from edgeshrink.bake.move_value_biases import MoveValueBiases
from edgeshrink.bake.remove_units import RemoveUnits
from edgeshrink.bake.shuffle_channels import GatherShuffles, RestoreShuffles
from edgeshrink.bake.split_directions import SplitDirections
from edgeshrink.bake.take_from_parts import TakeFromParts
from edgeshrink.bake.trim_kernels import TrimKernels
from edgeshrink.bundle import Bundle, Draft, check_target, new_bundle, read_bundle
from edgeshrink.device_form import cost_at_opt, device_types, lower_for, profiled_inputs, warnings_of
from edgeshrink.devices import Device, device
from edgeshrink.errors import InputError, UnsupportedError
from edgeshrink.graph.shapes import infer_shapes
from edgeshrink.inputs import sizes_at
from edgeshrink.lint import Finding, has_errors, lint
from edgeshrink.lint.files import add_ranges
from edgeshrink.loading import Network, Progress, Request, load_network, silent
from edgeshrink.manifest import Interface, Made, PassRecord, build_manifest
from edgeshrink.onnx_reader import Traced
from edgeshrink.proof import Given, PassByPass, inputs_for, picking_operators, prove, run_given, running

if TYPE_CHECKING:
    pass

__all__ = ["BAKE_PASSES", "Baked", "bake", "export"]

# In this order, and for these reasons:
FOLD_PASSES: tuple[type[BakePass], ...] = (
    FoldConstants,  # masks that the network multiplies in become zeros of its weights
    FoldBeta,  # biases are what is added
    FoldBatchNorm,  # a dead filter's constant moves from the BatchNorm into a bias
)
BAKE_PASSES: tuple[type[BakePass], ...] = (
    *FOLD_PASSES,
    GatherShuffles,  # by index, each channel of a shuffle can leave for itself
    DropZeroStates,  # recurrent layers that begin at zero do not wait for zeros of a size found at run time
    TakeFromParts,  # who reads one layer's last state ties it to no other layer's
    SplitDirections,  # each direction of a recurrent layer loses units of its own
    DropNanGuards,  # behind one, the shares of a softmax would not be known to sum to one
    MoveValueBiases,  # past a softmax, so that the dead values of a head are zeros
    TrimKernels,  # less padding means more constants that survive it
    DropConstantBranches,  # dead dendrites and branches go before their units are looked at one by one
    RemoveUnits,  # dead, constant and unread units leave every layer
    MergeDuplicates,  # of those that live, which of them say the same
    TrimKernels,  # the filters that used the outer taps may have left
    MergeDirections,  # directions of equal size are one layer again
    RestoreShuffles,  # what no channel left is a reshape again
    CleanUp,  # what nobody reads any more
)

_MOST_ERRORS = 20  # of lint's, in one message

AfterEach = Callable[[str, ir.Model], None]
"""Given the name of each pass and the model it left, as soon as it is done."""


def unwatched(_: str, __: ir.Model) -> None:
    """After each pass, go on."""


@dataclass(frozen=True)
class Baked:
    """What baking did to a graph.

    Attributes:
        passes: Every pass in order.
        layers: Every layer with constant weights, before and after.
    """

    passes: tuple[PassRecord, ...]
    layers: tuple[LayerChange, ...]


def bake(model: ir.Model, progress: Progress = silent, after_each: AfterEach = unwatched) -> Baked:
    """Bake a model in place: every pass in order, with what each did.

    Args:
        model: What to bake.
        progress: Told which pass is at work.
        after_each: Called after every pass that changed something; what it raises ends the baking.
    """
    if any(value.shape is None for node in model.graph for value in node.outputs):
        InlinePass()(model)
        infer_shapes(model)
    records = []
    layers: list[LayerUnits] = []
    for index, rewrite in enumerate(BAKE_PASSES):
        progress(f"baking: {rewrite.__name__}")
        bake_pass = rewrite()
        if bake_pass(model).modified:
            after_each(rewrite.__name__, model)
        records.append(
            PassRecord(rewrite.__name__, bake_pass.exact, bool(bake_pass.detail), bake_pass.detail)
        )
        if index == len(FOLD_PASSES) - 1:
            layers = layer_units(model.graph)
    return Baked(tuple(records), tuple(compare_layers(layers, model.graph)))


def export(
    request: Request,
    *,
    target: str,
    output: Path | str,
    force: bool = False,
    allow_lint_errors: bool = False,
    paranoid: bool = False,
    progress: Progress = silent,
) -> Bundle:
    """Drive a checkpoint down the whole road.

    Args:
        request: What to export.
        target: A device's name, or the path of a device profile.
        output: The bundle's folder.
        force: Replace a bundle that stands there.
        allow_lint_errors: Write the bundle even if lint finds what the parser refuses or misreads; its
            manifest lists that either way.
        paranoid: Verify after each pass, not only in the end, so that a wrong one is named.
        progress: Told what is going on.

    Raises:
        InputError: Something given is wrong; nothing was written.
        UnsupportedError: The device's parser has no form for some operator, or refuses or misreads it.
        ParityError: The baked network differs from the original; nothing was written.
    """
    to = device(target)
    output = Path(output)
    check_target(output, force=force)
    _require_outside(request, output)
    network, traced = load_network(request, progress)
    types = device_types(traced.model, to)
    inputs = inputs_for(traced.model, network.samples, request.seed, traced.ranges, types)
    given, picks = _as_given(network, traced, request), picking_operators(traced.model)
    with (
        new_bundle(output, force=force) as draft,
        running(partial(run_given, given), inputs.feeds) as as_given,
    ):
        after_each = PassByPass(traced.model, inputs) if paranoid else unwatched
        made = _make(traced, to, draft, progress, after_each)
        if not allow_lint_errors:
            _require_no_errors(made.lint, to)
        progress(f"verifying on {len(inputs.feeds)} inputs")
        proof = prove(as_given, draft.baseline_path, draft.model_path, inputs, picks)
        real = inputs.device_feeds[: inputs.given]
        made = replace(made, lint=add_ranges(made.lint, draft.model_path, to, real))
        progress("writing the bundle")
        manifest = build_manifest(network.source, to, made, proof, inputs.origin, network.warnings)
        draft.finish(proof.feeds, proof.expected, manifest)
    return read_bundle(output)


def _require_outside(request: Request, output: Path) -> None:
    """Refuse to replace a bundle by something made of its own parts: its baseline would be lost."""
    for given in filter(None, (request.path, request.samples, request.masks)):
        if output.resolve() in given.resolve().parents:
            raise InputError(
                f"{given} is part of {output}, which would be replaced.", "Give another place with -o."
            )


def _as_given(network: Network, traced: Traced, request: Request) -> Given:
    """What the baked network must equal in the end: the torch network, or the file itself."""
    if network.module is None:
        return request.path
    return network.module, [output.name or "" for output in traced.model.graph.outputs]


def _make(traced: Traced, to: Device, draft: Draft, progress: Progress, after_each: AfterEach) -> Made:
    """Bake and lower, write both models, and say what was made."""
    model, baseline = traced.model, traced.model.clone()
    baked = bake(model, progress, after_each)
    progress(f"lowering to opset {to.opset}")
    lower_for(baseline, to)
    lowered, narrow = lower_for(model, to)
    draft.write_models(model, baseline)
    made = Made(
        exporter=traced.exporter,
        interface=Interface.of(model, traced.ranges),
        passes=(*baked.passes, lowered, PassRecord.of_narrowing(narrow)),
        layers=baked.layers,
        before=cost_at_opt(baseline, traced.ranges),
        after=cost_at_opt(model, traced.ranges),
        lint=lint(
            model,
            to,
            profiled=profiled_inputs(model, traced.ranges),
            largest=sizes_at("max", traced.ranges),
            lowered=True,
        ),
        warnings=warnings_of(narrow, model, traced),
    )
    _let_go(model, baseline)
    return made


def _require_no_errors(findings: Sequence[Finding], to: Device) -> None:
    if has_errors(findings):
        errors = [_line(finding) for finding in findings if finding.severity == "error"]
        more = len(errors) - _MOST_ERRORS
        lines = errors[:_MOST_ERRORS] + ([f"- and {more} more"] if more > 0 else [])
        raise UnsupportedError(
            f"The parser of {to.name} refuses or misreads the network, by its published rules:\n"
            + "\n".join(lines),
            "Change the network, choose another device, or add --allow-lint-errors to export it anyway.",
        )


def _line(finding: Finding) -> str:
    place = " in ".join(filter(None, (finding.operator, finding.module or finding.node)))
    return f"- {place or 'the network'}: {finding.why} {finding.what_to_do} ({finding.rule})"


def _let_go(*models: ir.Model) -> None:
    """Free the weights of models that are on disk now, before ONNX Runtime loads them again.

    Emptied by hand, because the rules of torch's exporter keep their last match, and with it the whole graph.
    """
    for model in models:
        for value in model.graph.initializers.values():
            value.const_value = None
    gc.collect()
    with suppress(OSError, AttributeError):  # glibc alone needs, and has, a word to hand back what is free
        ctypes.CDLL(None).malloc_trim(0)
