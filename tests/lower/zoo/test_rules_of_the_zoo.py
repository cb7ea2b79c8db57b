"""Every lowering rule is there for a network that torch really writes, or it is said who writes it."""

from __future__ import annotations

from collections import Counter

from edgeshrink.lower import RULES
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


def test_every_rule_is_hit_by_a_network_of_torchs_or_it_is_said_why_not() -> None:
    hit: Counter[str] = Counter()
    for name, model in MODELS.items():
        if not model.slow:
            hit += made(name, "jetson-nano").rules
    for name, board in ELSEWHERE:
        hit += made(name, board).rules
    names = {rule.__name__ for rule in RULES}
    assert names - hit.keys() == NEVER_FROM_TORCH.keys()
