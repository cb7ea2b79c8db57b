"""Random networks: baking changes no output, and the analysis never claims what the activations deny."""

from __future__ import annotations

import os

import numpy as np
import onnx_ir as ir
import pytest
from hypothesis import HealthCheck, given, settings

from edgeshrink.graph.analysis import analyse
from edgeshrink.graph.constants import array_of
from edgeshrink.verify import compare_outputs, run_onnx
from tests.bake.random_graphs import networks
from tests.bake.support import bake, feeds_of

_HEALTH = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]
FAST = settings(max_examples=150, deadline=None, derandomize=True, suppress_health_check=_HEALTH)
MANY = settings(
    max_examples=int(os.environ.get("EDGESHRINK_EXAMPLES", "2000")),
    deadline=None,
    suppress_health_check=_HEALTH,
)


def check_parity(network: ir.Model) -> None:
    bake(network)


def check_constants(network: ir.Model) -> None:
    """Every number the analysis knows is what really flows there, for every input and position."""
    known = _numbers(network)
    watched = network.clone()
    by_name = {value.name: value for node in watched.graph for value in node.outputs}
    watched.graph.outputs[:] = list(dict.fromkeys(by_name[name] for name, _ in known))
    if not known:
        return
    for outputs in run_onnx(watched, feeds_of(network)[:8]):
        for (name, axis), numbers in known.items():
            rows = np.moveaxis(outputs[name], axis, 0).reshape(len(numbers), -1)
            where = np.isfinite(numbers)
            np.testing.assert_allclose(
                rows[where], np.broadcast_to(numbers[where, None], rows[where].shape), rtol=1e-4, atol=1e-5
            )


def _numbers(network: ir.Model) -> dict[tuple[str, int], np.ndarray]:
    analysis = analyse(network.graph)
    return {
        (value.name, axis): numbers
        for (value, axis), _ in analysis.spaces.tracked()
        if array_of(value) is None and np.isfinite(numbers := analysis.constants.of(value, axis)).any()
    }


def check_demand(network: ir.Model) -> None:
    """What nobody demands and varies may take any value: noise there changes no output."""
    analysis = analyse(network.graph)
    idle = {
        (value.name, axis): mask
        for (value, axis), _ in analysis.spaces.tracked()
        if array_of(value) is None
        and value.dtype == ir.DataType.FLOAT
        and (mask := ~analysis.demand.of(value, axis) & np.isnan(analysis.constants.of(value, axis))).any()
    }
    noisy = network.clone()
    values = {value.name: value for node in noisy.graph for value in node.outputs}
    for count, ((name, axis), mask) in enumerate(idle.items()):
        _disturb(noisy.graph, values[name], axis, mask, count)
    feeds = feeds_of(network)[:8]
    parity = compare_outputs(run_onnx(network, feeds), run_onnx(noisy, feeds))
    assert parity.ok, parity.worst


def _disturb(graph: ir.Graph, value: ir.Value, axis: int, mask: np.ndarray, count: int) -> None:
    """Let all readers of a value see it with noise where the mask says so."""
    shape = [1] * len(value.shape)
    shape[axis] = mask.size
    noise = ir.Value(
        name=f"noise{count}", const_value=ir.tensor((3.7 * mask).astype(np.float32).reshape(shape))
    )
    graph.register_initializer(noise)
    readers = list(value.uses())
    add = ir.node("Add", [value, noise], name=f"disturb{count}")
    add.outputs[0].shape, add.outputs[0].type = value.shape, value.type
    graph.insert_after(value.producer(), add)
    for node, index in readers:
        node.replace_input_with(index, add.outputs[0])


CHECKS = pytest.mark.parametrize("check", [check_parity, check_constants, check_demand])


@CHECKS
@FAST
@given(networks())
def test_random_network(check, network: ir.Model) -> None:
    check(network)


@pytest.mark.slow
@CHECKS
@MANY
@given(networks(most_steps=22))
def test_many_random_networks(check, network: ir.Model) -> None:
    check(network)
