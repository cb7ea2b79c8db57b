"""Networks whose sizes stay open: traced, read, baked and lowered, they are right at every size."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir
import pytest
import torch
from hypothesis import HealthCheck, assume, given, settings
from torch import nn

from edgeshrink.device_form import cost_at_opt, lower_for
from edgeshrink.devices import device
from edgeshrink.errors import EdgeshrinkError, InputError
from edgeshrink.graph.shapes import infer_shapes
from edgeshrink.inputs import SizeRange, parse_input, random_inputs
from edgeshrink.lower import lower
from edgeshrink.onnx_reader import Traced, read_onnx
from edgeshrink.pipeline import bake
from edgeshrink.trace import trace_module
from edgeshrink.verify import compare_outputs, run_onnx, run_torch
from tests.bake.random_graphs import networks
from tests.models import plain_cnn

_HEALTH = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]


class Gru(nn.Module):
    """The last state of a GRU in both directions, one unit of which is dead."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.gru = nn.GRU(5, 6, 2, batch_first=True, bidirectional=True)
        self.last = nn.Linear(12, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.last(self.gru(x)[0][:, -1])


class Tokens(nn.Module):
    """An encoder of two layers with dead units in one, a dead head in the other."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.table = nn.Embedding(20, 16)
        layer = nn.TransformerEncoderLayer(16, 4, 32, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        with torch.no_grad():
            self.encoder.layers[0].linear1.weight[:9] = 0
            self.encoder.layers[1].self_attn.out_proj.weight[:, :4] = 0

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        return self.encoder(self.table(ids)).mean(1)


class Encoder(nn.Module):
    """Token ids with learned positions through one layer of attention."""

    def __init__(self) -> None:
        super().__init__()
        self.ids, self.positions = nn.Embedding(20, 16), nn.Parameter(torch.randn(1, 16, 16))
        self.attention, self.norm = nn.MultiheadAttention(16, 4, batch_first=True), nn.LayerNorm(16)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        x = self.norm(self.ids(tokens) + self.positions[:, : tokens.shape[1]])
        return (x + self.attention(x, x, x, need_weights=False)[0]).mean(1)


class Two(nn.Module):
    """Two inputs of the same samples."""

    def forward(self, image: torch.Tensor, state: torch.Tensor) -> torch.Tensor:
        return image.mean((2, 3)) * state


class Doing(nn.Module):
    """What a function makes of the input."""

    def __init__(self, function: Callable[[torch.Tensor], torch.Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.function(x)


def pruned_cnn() -> nn.Module:
    network = plain_cnn()
    with torch.no_grad():
        network.conv1.weight[:3] = 0
        network.conv2.weight[::2] = 0
    return network


def traced(network: nn.Module, *inputs: str) -> Traced:
    return trace_module(network, [parse_input(text) for text in inputs])


def shapes(values: Sequence[ir.Value]) -> list[list[int | str]]:
    return [[size if isinstance(size, int) else str(size) for size in value.shape or ()] for value in values]


NETWORKS = {
    "cnn": (pruned_cnn, "1..3..8x1x28x28"),
    "gru": (Gru, "1..3..8x7x5"),
    "transformer": (Tokens, "1..3..8x9:int64"),
    "transformer of any length": (Tokens, "2x2..5..9:int64"),
}


@pytest.mark.parametrize(("network", "text"), NETWORKS.values(), ids=NETWORKS)
def test_baked_and_lowered_a_network_equals_torch_at_both_ends_at_opt_and_between(
    network: Callable[[], nn.Module], text: str
) -> None:
    module = network()
    found = traced(module, text)
    ((name, size),) = found.ranges.items()
    sizes = [{name: at} for at in (size.min, size.opt, size.max, size.min + 1, size.max - 1)]
    feeds = random_inputs(found.model, len(sizes), sizes=sizes)
    bake(found.model)
    lower(found.model, device("jetson-nano"))
    assert name in str(shapes(found.model.graph.inputs))
    parity = compare_outputs(run_torch(module, feeds, ["output"]), run_onnx(found.model, feeds))
    assert parity.ok, parity.worst


def test_an_open_batch_costs_no_unit_and_counts_its_work_at_opt() -> None:
    opened, fixed = traced(pruned_cnn(), "1..4x1x28x28"), traced(pruned_cnn(), "4x1x28x28")
    bake(opened.model)
    bake(fixed.model)
    figures = [cost_at_opt(found.model, found.ranges) for found in (opened, fixed)]
    assert figures[0].parameters == figures[1].parameters
    assert figures[0].macs == figures[1].macs > 0


def test_an_open_length_counts_the_work_at_opt_before_and_after_lowering() -> None:
    made = [traced(Encoder(), "tokens:1x8:int32"), traced(Encoder(), "tokens:1x2..8..16:int32")]
    for each in made:
        lower_for(each.model, device("jetson-nano"))
    fixed, opened = (cost_at_opt(each.model, each.ranges).macs for each in made)
    assert fixed == opened > 8 * 16 * 16


def test_equal_ranges_on_an_axis_are_one_size_and_others_are_not() -> None:
    one = traced(Two(), "1..4x3x8x8", "1..4x3")
    assert shapes(one.model.graph.inputs) == [["batch", 3, 8, 8], ["batch", 3]]
    assert shapes(one.model.graph.outputs) == [["batch", 3]]
    assert one.ranges == {"batch": SizeRange(1, 4, 4)}
    two = traced(Two(), "4x3x2..8x2..8", "4x3")
    assert shapes(two.model.graph.inputs)[0] == [4, 3, "size_2", "size_3"]


def test_equal_ranges_on_different_axes_are_one_size_where_the_network_wants_them_equal() -> None:
    class FromState(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.gru = nn.GRU(8, 16, batch_first=True)

        def forward(self, x: torch.Tensor, state: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            made, state = self.gru(x, state)
            return made[:, -1], state

    found = traced(FromState(), "x:1..4x5x8", "state:1x1..4x16")
    assert shapes(found.model.graph.inputs) == [["batch", 5, 8], [1, "batch", 16]]
    assert found.ranges == {"batch": SizeRange(1, 4, 4)}


REFUSED = {
    "always equal": (Two, ["1..4x3x8x8", "2..4x3"], "must always be equal", "need equal ranges"),
    "a branch": (
        lambda: Doing(lambda x: x * 2 if x.shape[0] > 3 else x + 1),
        ["1..8x5"],
        r"1\.\.8 on axis 0 of input 'x' \(batch\): forward, as traced, is right only for 4 <= batch",
        r"--input x:8x5. torch would take 4\.\.8",
    ),
    "a number": (
        lambda: Doing(lambda x: x * int(x.shape[0])),
        ["1..8x5"],
        r"\(batch\): forward fixes it at 8\.",
        "--input x:8x5",
    ),
    "a shape": (
        lambda: Doing(lambda x: x.reshape(4, -1)),
        ["4..8x5"],
        r"right only for .*5\*batch",
        "--input x:8x5",
    ),
}


@pytest.mark.parametrize(("network", "texts", "said", "hint"), REFUSED.values(), ids=REFUSED)
def test_a_size_that_the_network_fixes_is_refused_with_its_axis_the_reason_and_the_way_out(
    network: Callable[[], nn.Module], texts: list[str], said: str, hint: str
) -> None:
    with pytest.raises(InputError, match=said) as caught:
        traced(network(), *texts)
    assert hint.replace("\\", "") in caught.value.hint


def test_a_size_that_the_network_does_not_run_at_is_refused_with_the_shape() -> None:
    table = torch.zeros(10, 5)
    with pytest.raises(InputError, match="does not run on x 2x20x5:float32"):
        traced(Doing(lambda x: x + table[: x.shape[1]]), "2x1..8..20x5")


def test_the_older_exporter_keeps_an_axis_open_too() -> None:
    layer = nn.Linear(5, 5)

    def forward(x: torch.Tensor) -> torch.Tensor:
        layer.weight.data = layer.weight.data * 1
        return layer(x)

    module = Doing(forward)
    module.layer = layer
    found = traced(module, "1..8x5")
    assert found.exporter == "legacy"
    assert shapes(found.model.graph.inputs) == [["batch", 5]]


def written(folder: Path, graph: str) -> Path:
    text = f'<ir_version: 8, opset_import: ["" : 17]> main {graph}'
    onnx.save(onnx.parser.parse_model(text), folder / "m.onnx")
    return folder / "m.onnx"


SAME = "(float[N, 3] a, float[N, 3] b, float[M, 3] c) => (float[N, 3] y) { s = Add(a, b) y = Add(s, c) }"


def test_a_size_that_a_file_leaves_open_stays_so_in_a_range_under_the_files_name(tmp_path: Path) -> None:
    found = read_onnx(written(tmp_path, SAME), [parse_input("a:1..8x3")])
    assert shapes(found.model.graph.inputs) == [["N", 3], ["N", 3], [1, 3]]
    assert found.ranges == {"N": SizeRange(1, 8, 8)}
    assert found.warnings == ("m.onnx leaves the batch size of c open; it was fixed at 1.",)


def test_a_file_that_fixes_a_size_takes_no_range_for_it(tmp_path: Path) -> None:
    path = written(tmp_path, "(float[4, 3] a) => (float[4, 3] y) { y = Relu(a) }")
    with pytest.raises(InputError, match=r"fixes axis 0 of input 'a' at 4, so it cannot be 1\.\.4"):
        read_onnx(path, [parse_input("1..4x3")])
    with pytest.raises(InputError, match="fixes axis 0 of input 'a' at 4"):
        read_onnx(path, [parse_input("1..8x3")])


def test_one_size_of_a_file_has_one_range(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"'N' is given as 1\.\.8 and, for input 'b', as 1\.\.4"):
        read_onnx(written(tmp_path, SAME), [parse_input("a:1..8x3"), parse_input("b:1..4x3")])


def test_a_value_that_no_board_holds_is_found_at_the_end_of_the_range(tmp_path: Path) -> None:
    path = written(tmp_path, "(float[N, 40000] a, float[40000, N] b) => (float[N, N] y) { y = MatMul(a, b) }")
    with pytest.raises(InputError, match="computes a value of 400,000,000 elements"):
        read_onnx(path, [parse_input("a:1..20000x40000"), parse_input("b:40000x1..20000")])


def opened(network: ir.Model) -> ir.Model:
    """The same network with an open batch, whose shapes are what inference can still tell."""
    model = network.clone()
    for value in model.graph.inputs:
        value.shape = ir.Shape(["batch", *value.shape[1:]])
    for value in (value for node in model.graph.all_nodes() for value in node.outputs):
        value.shape = None
    infer_shapes(model)
    return model


@given(networks())
@settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=_HEALTH)
def test_random_networks_with_an_open_batch_bake_the_same(network: ir.Model) -> None:
    model = opened(network)
    feeds = random_inputs(model, 6, sizes=[{"batch": size} for size in (1, 1, 2, 3, 5, 8)])
    try:
        before = run_onnx(model, feeds)
    except EdgeshrinkError:
        assume(False)  # the graph fixes its batch inside, in a reshape say
    assume(all(np.isfinite(array).any() for array in before[0].values()))
    bake(model)
    parity = compare_outputs(before, run_onnx(model, feeds))
    assert parity.ok, parity.worst
