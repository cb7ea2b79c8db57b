"""A model of the zoo exported, baked and lowered for a device, beside what torch computes."""

from __future__ import annotations

import functools
import io
import tempfile
import warnings
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import onnx_ir as ir
import torch
from torch import nn

from edgeshrink.devices import Device, device
from edgeshrink.lint import Finding, lint
from edgeshrink.lower import LowerReport, lower
from edgeshrink.onnx_reader import read_onnx
from edgeshrink.pipeline import bake
from edgeshrink.trace import OPSET, trace_module
from edgeshrink.verify import Parity, compare_outputs, run_onnx, run_torch
from tests.lower.zoo.catalogue import MODELS, Feed, Model

__all__ = [
    "LEGACY",
    "NEWEST",
    "Form",
    "Made",
    "as_expected",
    "exported",
    "fitting",
    "made",
    "outputs",
    "written",
]

NEWEST = 23  # the newest opset that torch 2.13 writes
LEGACY = 20  # and its older exporter
SAMPLES = 6


@dataclass(frozen=True)
class Form:
    """A model as a device would be given it.

    Attributes:
        model: It, lowered.
        report: What lowering did.
        findings: What lint has to say.
        parity: How it compares with torch.
    """

    model: ir.Model
    report: LowerReport
    findings: tuple[Finding, ...]
    parity: Parity


@dataclass(frozen=True)
class Made:
    """A model on its way to a device: a bundle holds both forms.

    Attributes:
        exported: As torch's exporter wrote it.
        baseline: Lowered as it is.
        baked: Baked before it was lowered.
        varies: How far outputs of different inputs lie apart, over their scale: 0 would prove nothing.
    """

    exported: ir.Model
    baseline: Form
    baked: Form
    varies: float

    @property
    def rules(self) -> Counter[str]:
        """How many nodes each rule rewrote in the two together."""
        return Counter(self.baseline.report.rules) + Counter(self.baked.report.rules)


@functools.cache
def made(name: str, board: str) -> Made:
    """Export, bake, lower, lint and compare one model.

    Raises:
        UnsupportedError: The device's opset has no form for some operator.
    """
    to = device(board)
    _, expected = outputs(name)
    baseline, baked = exported(name).clone(), exported(name).clone()
    bake(baked)
    varies = compare_outputs(expected[:-1], expected[1:]).max_rel_error
    return Made(exported(name), _form(name, baseline, to), _form(name, baked, to), varies)


def _form(name: str, model: ir.Model, to: Device) -> Form:
    report = lower(model, to)
    feeds, expected = outputs(name)
    parity = compare_outputs(expected, as_expected(run_onnx(model, fitting(feeds, model)), expected))
    return Form(model, report, lint(model, to), parity)


def fitting(feeds: Sequence[Feed], model: ir.Model) -> list[Feed]:
    """The feeds in the types that the model declares: where it is narrowed, those of 32 bits."""
    types = {value.name or "": value.dtype.numpy() for value in model.graph.inputs if value.dtype}
    return [{name: array.astype(types[name]) for name, array in feed.items()} for feed in feeds]


def as_expected(found: Sequence[Feed], expected: Sequence[Feed]) -> list[Feed]:
    """Outputs in torch's types: narrowed ones hold the same numbers; names and order are left as they are."""
    return [
        {name: array.astype(wide[name].dtype) if name in wide else array for name, array in narrow.items()}
        for narrow, wide in zip(found, expected, strict=True)
    ]


@functools.cache
def _network(name: str) -> nn.Module:
    return MODELS[name].build()


@functools.cache
def exported(name: str) -> ir.Model:
    """The model on the road that the catalogue says; exporting takes longer than everything else here."""
    model, module = MODELS[name], _network(name)
    if model.road == "traced":
        return trace_module(module, model.inputs).model
    return _read(written(name), model)


@functools.cache
def outputs(name: str) -> tuple[list[Feed], list[Feed]]:
    """Inputs, and what torch computes of them."""
    graph = exported(name).graph
    feeds = MODELS[name].feeds([value.name or "" for value in graph.inputs], SAMPLES)
    return feeds, run_torch(_network(name), feeds, [value.name or "" for value in graph.outputs])


def written(name: str, opset: int = 0) -> bytes:
    """The file that a user of torch.onnx.export has; of the older exporter where an opset is given."""
    model, module = MODELS[name], _network(name)
    names = [spec.name or f"x{index}" for index, spec in enumerate(model.inputs)]
    args = tuple(torch.from_numpy(array) for array in model.feeds(names, 1)[0].values())
    options: dict[str, Any] = {"input_names": names, "verbose": False}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the exporters themselves
        if opset or model.road == "legacy":
            file = io.BytesIO()
            torch.onnx.export(module, args, file, dynamo=False, opset_version=opset or LEGACY, **options)
            return file.getvalue()
        if model.road == "open batch":
            options["dynamic_shapes"] = tuple({0: torch.export.Dim("batch", max=64)} for _ in args)
        plain = model.road == "not optimized"
        newest = OPSET if plain else NEWEST  # going up to a newer one is part of optimizing
        program = torch.onnx.export(
            module, args, dynamo=True, opset_version=newest, optimize=not plain, **options
        )
    assert program is not None
    return program.model_proto.SerializeToString()


def _read(file: bytes, model: Model) -> ir.Model:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        path.write_bytes(file)
        return read_onnx(path, model.inputs).model
