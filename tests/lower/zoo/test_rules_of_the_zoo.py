"""Every lowering rule is there for a network that torch really writes, or it is said who writes it."""

from __future__ import annotations

from collections import Counter

from torch import Tensor, nn

from edgeshrink.devices import device
from edgeshrink.inputs import parse_input
from edgeshrink.lower import RULES, lower
from edgeshrink.trace import trace_module
from tests.lower.zoo.catalogue import MODELS
from tests.lower.zoo.support import made

_NO_SUCH = "torch has no such operation"
_OTHER_FORM = "torch writes the other form that the ONNX standard has for it"
NEVER_FROM_TORCH = {
    "LowerAveragePoolDilations": _NO_SUCH,
    "LowerCenterCropPad": _NO_SUCH,
    "LowerHardmax": _NO_SUCH,
    "LowerMeanVarianceNormalization": _NO_SUCH,
    "LowerPadAxes": _OTHER_FORM,  # pads of all axes
    "LowerQuantizeOutputType": _OTHER_FORM,  # a zero point
    "LowerRecurrentLayout": _OTHER_FORM,  # a Transpose before and behind
    "LowerReduceOverNothing": _OTHER_FORM,  # Identity
    "LowerShrink": _OTHER_FORM,  # comparisons
    "LowerSwish": _OTHER_FORM,  # x * Sigmoid(x): the operator came with opset 24, torch 2.13 writes 23
}
"""Rules for files of other exporters, each with the reason."""

ELSEWHERE = [("warp_opset_23", "jetson-agx-xavier")]
"""What a Jetson Nano's opset is too old for."""


class Windows(nn.Module):
    """Every step through one layer; windows of any number and length, so sizes are computed in the graph."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(8, 8)

    def forward(self, windows: Tensor) -> Tensor:
        count, length, features = windows.shape
        steps = self.layer(windows.reshape(count * length, features)).relu()
        return steps.reshape(count, length, 2, 4).mean(1)


def rules_of_two_open_sizes() -> Counter[str]:
    traced = trace_module(Windows().eval(), [parse_input("1..4x3..9x8")])
    return Counter(lower(traced.model, device("jetson-nano")).rules)


def test_every_rule_is_hit_by_a_network_of_torchs_or_it_is_said_why_not() -> None:
    hit: Counter[str] = Counter()
    for name, model in MODELS.items():
        if not model.slow:
            hit += made(name, "jetson-nano").rules
    for name, board in ELSEWHERE:
        hit += made(name, board).rules
    hit += rules_of_two_open_sizes()
    names = {rule.__name__ for rule in RULES}
    assert names - hit.keys() == NEVER_FROM_TORCH.keys()
