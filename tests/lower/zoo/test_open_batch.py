"""A batch size that stays open: one file, lowered once, equals torch at every size of its range."""

from __future__ import annotations

from dataclasses import replace

import pytest

from edgeshrink.devices import device
from edgeshrink.inputs import SizeRange
from edgeshrink.lint import lint
from edgeshrink.lower import lower
from edgeshrink.pipeline import bake
from edgeshrink.trace import trace_module
from edgeshrink.verify import compare_outputs, run_onnx, run_torch
from tests.lower.zoo.catalogue import TRACED
from tests.lower.zoo.support import as_expected, fitting

BATCH = SizeRange(1, 4, 8)

# Rules that write sizes out, each with one network: of pictures, of sound, of places in them.
QUICK = ("pose", "log_mel", "globe", "overlaps")
NOT_BY_BATCH = ("messages", "grid")
"""Their first axis is no batch."""

FIXED = ("spatial_transformer", "super_resolution", "thumbnail", "votes", "warp")
"""Grids, filters of pictures and votes are written out for fixed sizes alone; lowering says so."""

OPEN = [
    pytest.param(name, marks=[pytest.mark.slow] * (name not in QUICK))
    for name in TRACED
    if name not in (*NOT_BY_BATCH, *FIXED, "segnet")
]


@pytest.mark.parametrize("name", OPEN)
def test_a_model_of_open_batch_is_what_torch_computes_at_every_size(name: str) -> None:
    nano, entry = device("jetson-nano"), TRACED[name]
    network = entry.build()
    specs = [replace(spec, shape=(4, *spec.shape[1:]), ranges={0: BATCH}) for spec in entry.inputs]
    model = trace_module(network, specs).model
    bake(model)
    lower(model, nano)
    inputs = [value.name or "" for value in model.graph.inputs]
    assert not [finding for finding in lint(model, nano, profiled=inputs) if finding.severity == "error"]
    for size in (1, 3, 8):
        sized = replace(entry, inputs=tuple(replace(s, shape=(size, *s.shape[1:])) for s in entry.inputs))
        feeds = sized.feeds(inputs, 2)
        expected = run_torch(network, feeds, [value.name or "" for value in model.graph.outputs])
        parity = compare_outputs(expected, as_expected(run_onnx(model, fitting(feeds, model)), expected))
        assert parity.ok, parity.worst
