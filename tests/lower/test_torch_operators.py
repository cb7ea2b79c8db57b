"""What torch's exporter really writes for some operations: each rule fires, and equals torch."""

from __future__ import annotations

from collections.abc import Callable

import onnx_ir as ir
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from edgeshrink.inputs import InputSpec, random_inputs
from edgeshrink.lower import lower
from edgeshrink.trace import trace_module
from edgeshrink.verify import compare_outputs, run_onnx, run_torch
from tests.lower.support import NANO

Function = Callable[[torch.Tensor], torch.Tensor]


def _spectrogram(signal: torch.Tensor) -> torch.Tensor:
    return torch.stft(signal, 16, 4, window=torch.hann_window(16), return_complex=True)


WRITTEN: dict[str, Function] = {
    "LowerBitwise": lambda x: (x * 9).int() & 7,
    "LowerBooleans": lambda x: torch.where(x > 0, x > 1, x < -1),
    "LowerBitwiseNot": lambda x: ~(x * 9).int(),
    "LowerCelu": lambda x: F.celu(x, 0.7),
    "LowerClipBounds": lambda x: (x * 9).int().clamp(-3, 4),
    "LowerCol2Im": lambda x: F.fold(x.reshape(1, 8, 10)[..., :9], (6, 6), (2, 2), stride=2),
    "LowerCounts": lambda x: (x > 0).sum(1),
    "LowerDFT": lambda x: torch.fft.irfft2(torch.fft.rfft2(x) * torch.fft.rfft2(x.abs())),
    "LowerEinsumEllipsis": lambda x: torch.einsum("...ij,...kj->...ik", x, x),
    "LowerGridSample": lambda x: F.grid_sample(x, x[:, 0, :, :2].reshape(1, 5, 1, 2), align_corners=False),
    "LowerIsInf": lambda x: torch.isinf(1 / F.relu(x)),
    "LowerMaxPoolDilations": lambda x: F.max_pool2d(x, 2, 1, 1, dilation=2),
    "LowerMod": lambda x: torch.remainder((x * 10).int(), 3),
    "LowerPadWrap": lambda x: F.pad(x, (1, 2, 3, 0), mode="circular"),
    "LowerPoolCeilMode": lambda x: F.avg_pool2d(x, 3, 2, 1, ceil_mode=True),
    "LowerReduceAxes": lambda x: x.amax((1, 2)),
    "LowerReluOfIntegers": lambda x: F.relu((x * 5).int()),
    "LowerResizeMatrices": lambda x: F.interpolate(x, size=(9, 12), mode="bicubic"),
    "LowerSTFT": lambda x: torch.view_as_real(_spectrogram(x.reshape(1, 80))),
    "LowerScatterElementsReduction": lambda x: torch.zeros_like(x).scatter_add(3, (x > 0).long(), x),
    "LowerScatterNDReduction": lambda x: torch.zeros(4, 8).index_add(0, (x[0, 0, :, 0] > 0).long(), x[0, 0]),
    "LowerTopKSmallest": lambda x: torch.topk(x, 3, largest=False)[0],
    "LowerTrilu": lambda x: torch.tril(x, -1),
    "LowerXor": lambda x: (x > 0) ^ (x < 1),
}


class Applied(nn.Module):
    """All of them on one input: tracing takes longer than everything else here."""

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return tuple(function(x) for function in WRITTEN.values())


def test_what_torch_writes_is_lowered_and_equal() -> None:
    module = Applied()
    model = trace_module(module, [InputSpec(None, (1, 2, 5, 8))]).model
    assert lower(model, NANO).rules.keys() >= WRITTEN.keys()
    feeds = random_inputs(model, 3)
    names = [output.name or "" for output in model.graph.outputs]
    parity = compare_outputs(run_torch(module, feeds, names), run_onnx(model, feeds))
    assert parity.ok, parity.worst


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.norm, self.mix = nn.RMSNorm(8), nn.Linear(8, 8)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.mix(self.norm(x))
        return x + F.scaled_dot_product_attention(y, y, y, is_causal=True)


@pytest.mark.filterwarnings("ignore")  # of the exporter itself
def test_a_block_of_a_language_model_at_opset_23_is_lowered_and_equal() -> None:
    torch.manual_seed(0)
    module = Block().eval()
    program = torch.onnx.export(
        module, (torch.randn(1, 2, 5, 8),), dynamo=True, opset_version=23, verbose=False
    )
    assert program is not None
    model = ir.serde.deserialize_model(program.model_proto)
    assert lower(model, NANO).rules.keys() >= {"LowerAttention", "LowerRMSNormalization"}
    feeds = random_inputs(model, 3)
    (name,) = (value.name or "" for value in model.graph.inputs)
    with torch.no_grad():
        expected = [{"y": module(torch.from_numpy(feed[name])).numpy()} for feed in feeds]
    actual = [{"y": next(iter(outputs.values()))} for outputs in run_onnx(model, feeds)]
    assert compare_outputs(expected, actual).ok
