"""Whole networks from torch: exact on all of them, and as small as a person would have built them."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from edgeshrink.inputs import InputSpec, random_inputs
from edgeshrink.pipeline import bake as bake_all
from edgeshrink.trace import trace_module
from edgeshrink.verify import compare_outputs, run_onnx
from tests.bake.support import bake, parameters
from tests.models import plain_cnn, resnet18, resnet50, settled
from tests.networks.catalogue import FAMILIES
from tests.networks.scenarios import IDEALS, SCENARIOS
from tests.networks.trial import ideal_size, trial

IMAGE = (2, 3, 64, 64)


def masked(network: nn.Module, *, live: bool, aligned: bool, share: float = 0.5) -> nn.Module:
    """Zero some of every layer's filters.

    `aligned` takes the same ones in all layers of a width, `live` keeps what their BatchNorm and bias add.
    """
    draw = torch.Generator().manual_seed(0)
    chosen: dict[int, torch.Tensor] = {}
    with torch.no_grad():
        modules = list(network.modules())
        for layer, after in zip(modules, [*modules[1:], None], strict=True):
            if not isinstance(layer, nn.Conv2d | nn.Linear) or layer.weight.shape[0] in (10, 1000):
                continue
            width = layer.weight.shape[0]
            dead = torch.randperm(width, generator=draw)[: int(width * share)]
            dead = chosen.setdefault(width, dead) if aligned else dead
            layer.weight[dead] = 0
            for norm in (layer, after):
                if not live and getattr(norm, "bias", None) is not None:
                    norm.bias[dead] = 0
                if not live and isinstance(norm, nn.BatchNorm2d):
                    norm.running_mean[dead] = 0
    return network.eval()


@pytest.mark.parametrize("live", [False, True])
@pytest.mark.parametrize("aligned", [False, True])
def test_resnet18(live: bool, aligned: bool):
    before = trace_module(
        masked(resnet18(10, width=16), live=live, aligned=aligned), [InputSpec(None, IMAGE, "float32")]
    ).model
    after = bake(before, random_inputs(before, 32))
    assert parameters(after) < parameters(before) * (0.3 if aligned else 0.6)


@pytest.mark.slow
@pytest.mark.parametrize("live", [False, True])
@pytest.mark.parametrize("aligned", [False, True])
@pytest.mark.parametrize("network", [resnet18, resnet50])
def test_full_width_resnets(network, live: bool, aligned: bool):
    before = trace_module(
        masked(network(), live=live, aligned=aligned), [InputSpec(None, (1, 3, 64, 64), "float32")]
    ).model
    after = before.clone()
    bake_all(after)
    feeds = random_inputs(before, 32)
    parity = compare_outputs(run_onnx(before, feeds), run_onnx(after, feeds))
    assert parity.ok, parity.worst
    assert parameters(after) < parameters(before) * (0.35 if aligned else 0.75)


class Chain(nn.Module):
    """Layers one after another, with no tie but from each to the next; input (N, 3, 16, 16)."""

    def __init__(self, widths: tuple[int, int, int, int], *, padding: int) -> None:
        super().__init__()
        a, b, c, d = widths
        self.body = nn.Sequential(
            *(nn.Conv2d(3, a, 3, padding=padding), nn.BatchNorm2d(a), nn.ReLU()),
            *(nn.Conv2d(a, b, 3, padding=padding), nn.BatchNorm2d(b), nn.ReLU(), nn.MaxPool2d(2)),
            *(nn.Conv2d(b, c, 3, padding=padding), nn.ReLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten()),
            *(nn.Linear(4 * c, d), nn.Tanh(), nn.Linear(d, 10)),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.body(x)


@pytest.mark.parametrize("live", [False, True])
@pytest.mark.parametrize("padding", [0, 1])
def test_a_chain_reaches_the_size_built_by_hand(live: bool, padding: int):
    """Half of 8, 16, 12 and 20 units; behind zero padding one carrier may stay in each of two layers."""
    torch.manual_seed(0)
    spec = [InputSpec(None, (2, 3, 16, 16), "float32")]
    before = trace_module(
        masked(settled(Chain((8, 16, 12, 20), padding=padding)), live=live, aligned=False), spec
    ).model
    after = bake(before, random_inputs(before, 32))
    carriers = 1 if live and padding else 0
    ideal = trace_module(settled(Chain((4 + carriers, 8 + carriers, 6, 10), padding=padding)), spec).model
    assert parameters(after) <= parameters(ideal)
    if not carriers:
        assert parameters(after) == parameters(ideal)


def test_a_network_without_a_mask_is_left_as_it_is():
    before = trace_module(plain_cnn(), [InputSpec(None, (1, 1, 28, 28), "float32")]).model
    assert parameters(bake(before, random_inputs(before, 32))) == parameters(before)


_BORDERS = "past a padded depthwise convolution a dead channel is no constant: at the border it differs"
_SUMMED = "a sum over all units has no weight that could count one of them twice"
_NORMED = "copies that the norm of each reader scales and shifts apart are no copies behind it"
_MIXED = "copies that dendrites add to with weights of their own are no copies behind the sum"
NOT_REACHED = {
    **{(name, "live bias"): _BORDERS for name in ("mobilenet", "efficientnet")},
    ("two_inputs", "duplicated"): _SUMMED,
    ("densenet", "duplicated"): _NORMED,
    **{(name, "duplicated"): _MIXED for name in ("dendritic_resnet18", "dendritic_vgg16")},
}
"""Where more is left than a person would have built, and why."""

PAIRS = [(name, scenario) for name in FAMILIES for scenario in SCENARIOS]
QUICK = (
    "resnet18",
    "mobilenet",
    "unet",
    "shufflenet",
    "detector",
    "vit",
    "bert",
    "decoder",
    "bidirectional_gru",
)
SOME = [pair for pair in PAIRS if pair[0] in (*QUICK, "two_inputs", "dendritic_resnet18", "lstm")][::4]
"""Two or three scenarios of each of these, others with each: the whole table takes minutes."""


@pytest.mark.parametrize(("name", "scenario"), SOME)
def test_a_family_stays_equal_under_some_scenario(name: str, scenario: str):
    assert_same_and_smaller(name, scenario)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "scenario"), PAIRS)
def test_every_family_stays_equal_under_every_scenario(name: str, scenario: str):
    assert_same_and_smaller(name, scenario, count=32)


@pytest.mark.slow
@pytest.mark.parametrize("scenario", ["zero bias", "live bias", "duplicated", "60% zeros"])
@pytest.mark.parametrize("name", FAMILIES)
def test_every_family_stays_equal_at_full_width(name: str, scenario: str):
    assert_same_and_smaller(name, scenario, full=True)


@pytest.mark.parametrize("scenario", ["zero bias", "duplicated"])
def test_a_network_with_shuffles_reaches_the_size_built_by_hand(scenario: str):
    assert_ideal("shufflenet", scenario)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "scenario"),
    [
        (name, scenario)
        for name, family in FAMILIES.items()
        for scenario in IDEALS
        if family.bounded and (name, scenario) not in NOT_REACHED
    ],
)
def test_every_family_reaches_the_size_built_by_hand(name: str, scenario: str):
    assert_ideal(name, scenario)


def assert_ideal(name: str, scenario: str) -> None:
    """Within 1%; where constants stay alive, every space may keep one carrier.

    A sigmoid dendrite whose layer is zero still emits a half.
    """
    live = scenario == "live bias" or name.startswith("dendritic")
    ideal = ideal_size(name, scenario, carriers=int(live))
    assert ideal is not None
    made = trial(name, scenario).after
    assert made.parameters <= 1.01 * ideal.parameters
    assert made.macs <= 1.01 * ideal.macs


def assert_same_and_smaller(name: str, scenario: str, **options: object) -> None:
    made = trial(name, scenario, **options)
    assert made.parity.ok, made.parity.worst
    assert made.after.parameters <= made.before.parameters
    assert made.after.macs <= made.before.macs
