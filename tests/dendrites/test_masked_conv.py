"""A masked convolution computes with the filters it keeps, learns which, and traces."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from edgeshrink.dendrites import MaskedGroupedConv1d, MaskedGroupedConv2d, MaskedGroupedConv3d
from tests.dendrites.support import computed, operators, traced

MASKED = {1: MaskedGroupedConv1d, 2: MaskedGroupedConv2d, 3: MaskedGroupedConv3d}
PLAIN = {1: nn.functional.conv1d, 2: nn.functional.conv2d, 3: nn.functional.conv3d}


def masked(dims: int = 2, **options: object) -> MaskedGroupedConv2d:
    """6 filters in 2 groups, of which 1 and 4 are masked out: one a bit below the threshold, one at it."""
    layer = MASKED[dims](4, 6, 3, groups=2, padding=1, **options)
    with torch.no_grad():
        layer.mask.copy_(torch.tensor([1.0, 0.49, 0.51, 2.0, 0.5, 0.7]))
    return layer.eval()


def image(dims: int = 2) -> Tensor:
    return torch.randn(2, 4, *[5] * dims)


@pytest.mark.parametrize("dims", MASKED)
@pytest.mark.parametrize("bias", [True, False])
def test_in_eval_it_is_the_convolution_of_what_is_kept(dims: int, bias: bool) -> None:
    layer, x = masked(dims, bias=bias), image(dims)
    keep = torch.tensor([1.0, 0.0, 1.0, 1.0, 0.0, 1.0])
    weight = layer.weight * keep.view(-1, *[1] * (dims + 1))
    expected = PLAIN[dims](x, weight, layer.bias * keep if bias else None, padding=1, groups=2)
    torch.testing.assert_close(layer(x), expected, rtol=0, atol=0)  # the same products in the same order
    assert not layer(x)[:, [1, 4]].any()


def test_training_computes_the_same_and_reaches_every_parameter() -> None:
    layer, x = masked(), image()
    evaluated = layer(x)
    torch.testing.assert_close(layer.train()(x), evaluated, rtol=0, atol=0)  # kept + (m - m) is kept, exactly
    layer(x).square().sum().backward()
    assert layer.weight.grad[[0, 2, 3, 5]].flatten(1).any(1).all()
    assert layer.mask.grad[[0, 2, 3, 5]].all()


def test_a_masked_filter_still_feels_a_pull_to_come_back() -> None:
    layer, x = masked(), image()
    (layer.train()(x) - 1).square().sum().backward()
    assert layer.mask.grad[[1, 4]].all()


def test_training_moves_the_masks_of_filters_nobody_needs_below_the_threshold() -> None:
    torch.manual_seed(0)
    teacher, student = masked(), MaskedGroupedConv2d(4, 6, 3, groups=2, padding=1)
    with torch.no_grad():
        student.weight.copy_(teacher.weight)
        student.bias.copy_(teacher.bias)
    optimizer = torch.optim.SGD([student.mask], lr=1.0)
    for _ in range(60):
        x = image()
        loss = (student(x) - teacher(x)).square().mean() + 0.01 * student.mask.abs().sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert (student.mask[[1, 4]] <= 0.5).all()


def test_the_file_states_the_threshold() -> None:
    state = masked(threshold=0.25).state_dict()
    assert set(state) == {"weight", "bias", "mask", "threshold"}
    assert state["threshold"].shape == ()
    other = masked()
    other.load_state_dict(state)
    assert float(other.threshold) == 0.25
    assert int(other.keep().sum()) == 6


@pytest.mark.parametrize("dims", MASKED)
def test_it_traces_to_plain_onnx(dims: int) -> None:
    layer, x = masked(dims), image(dims)
    exported = torch.export.export(layer, (x,)).module()
    torch.testing.assert_close(exported(x), layer(x), rtol=0, atol=0)
    model = traced(layer, x)
    # Sums of 18 products of numbers near 1, in another order.
    torch.testing.assert_close(computed(model, x), layer(x).detach(), rtol=1e-5, atol=1e-5)
    assert operators(model) <= {"Constant", "Greater", "Cast", "Reshape", "Unsqueeze", "Mul", "Conv"}


def test_it_shows_how_many_filters_it_keeps() -> None:
    assert "groups=2" in repr(masked())
    assert "kept=4" in repr(masked())
