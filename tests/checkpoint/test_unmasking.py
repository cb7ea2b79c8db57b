"""A factory may return the network as it was trained: with its hooks, masks and parametrizations."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.ao.pruning import WeightNormSparsifier
from torch.nn.utils import parametrizations, parametrize, prune

from edgeshrink.checkpoint import load
from edgeshrink.errors import InputError
from tests.checkpoint.networks import Mlp, input_for

HERE = "tests.checkpoint.test_unmasking"


class Mask(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mask", torch.arange(42).reshape(7, 6) % 3 == 0)

    def forward(self, weight: Tensor) -> Tensor:
        return weight * self.mask


class Unmask(Mask):
    """Where its mask is true, it sets to zero."""

    def forward(self, weight: Tensor) -> Tensor:
        return weight.masked_fill(self.mask, 0)


class Clip(nn.Module):
    """A parametrization that stores nothing."""

    def forward(self, weight: Tensor) -> Tensor:
        return weight.clamp(-0.1, 0.1)


def pruned() -> nn.Module:
    net = Mlp()
    prune.random_unstructured(net.fc1, "weight", 0.5)
    prune.l1_unstructured(net.fc1, "weight", 0.5)  # one after the other: torch keeps one hook for both
    prune.random_unstructured(net.fc1, "bias", 2)
    return net


def parametrized(parametrization: type[nn.Module]) -> nn.Module:
    net = Mlp()
    parametrize.register_parametrization(net.fc1, "weight", parametrization())
    return net


def masked() -> nn.Module:
    return parametrized(Mask)


def unmasked() -> nn.Module:
    return parametrized(Unmask)


def clipped() -> nn.Module:
    return parametrized(Clip)


def sparsified() -> nn.Module:
    net = Mlp()
    WeightNormSparsifier().prepare(net, [{"tensor_fqn": "fc1.weight"}])
    return net


def normed() -> nn.Module:
    net = Mlp()
    parametrizations.weight_norm(net.fc1)
    parametrizations.spectral_norm(net.fc2)
    return net


def saved(net: nn.Module, folder: Path) -> Path:
    torch.save(net.state_dict(), folder / "net.pt")
    return folder / "net.pt"


@pytest.mark.parametrize("factory", [pruned, masked, clipped, sparsified, normed])
def test_the_network_as_it_was_trained_fits_its_own_file(
    tmp_path: Path, factory: Callable[[], nn.Module]
) -> None:
    net = factory().eval()
    loaded = load(saved(net, tmp_path), arch=f"{HERE}:{factory.__name__}")
    assert torch.equal(loaded.module(input_for(net)), net(input_for(net)))


@pytest.mark.parametrize("factory", [pruned, masked, clipped, sparsified, normed])
def test_it_fits_the_file_of_the_plain_network_too_and_computes_what_that_computed(
    tmp_path: Path, factory: Callable[[], nn.Module]
) -> None:
    net = Mlp()
    loaded = load(saved(net, tmp_path), arch=f"{HERE}:{factory.__name__}")
    assert torch.equal(loaded.module(input_for(net)), net(input_for(net)))
    assert set(loaded.module.state_dict()) == set(net.state_dict())


def test_masks_that_do_something_else_than_multiply_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"a mask on fc1\.weight that is no product"):
        load(saved(unmasked(), tmp_path), arch=f"{HERE}:unmasked")


@pytest.mark.parametrize("factory", [pruned, masked, clipped])
def test_a_network_with_masks_can_grow_dendrites(tmp_path: Path, factory: Callable[[], nn.Module]) -> None:
    from tests.checkpoint.perforate import grown, save

    plain = Mlp()
    theirs = grown(plain, input_for(plain), dendrites=2, activation=torch.tanh, folder=tmp_path)
    loaded = load(save(theirs, tmp_path), arch=f"{HERE}:{factory.__name__}")
    # The same products in the same order as the library's.
    torch.testing.assert_close(
        loaded.module(input_for(plain)), theirs(input_for(plain)), rtol=1e-6, atol=1e-6
    )
