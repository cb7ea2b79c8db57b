"""Masks beside the weights, or in a file of their own, become zeros of the weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch
from torch import Tensor, nn
from torch.nn.utils import prune

from edgeshrink.checkpoint import load, read
from edgeshrink.errors import InputError
from tests.checkpoint.networks import Mlp, input_for

MLP = "tests.checkpoint.networks:Mlp"
SAVES: dict[str, Callable[[Mapping[str, Tensor], Path], object]] = {
    "torch": lambda masks, path: torch.save(dict(masks), path),
    "safetensors": lambda masks, path: safetensors.torch.save_file(dict(masks), path),
    "npz": lambda masks, path: save_npz({name: mask.numpy() for name, mask in masks.items()}, path),
}


def save_npz(arrays: Mapping[str, object], path: Path) -> None:
    with path.open("wb") as file:
        np.savez_compressed(file, **arrays)


def test_prune_masks_are_baked_whatever_the_parameters_name(tmp_path: Path) -> None:
    net = Mlp()
    prune.random_unstructured(net.fc1, "weight", 0.5)
    prune.random_unstructured(net.fc1, "bias", 2)
    prune.ln_structured(net.fc2, "weight", 1, n=2, dim=0)
    torch.save(net.state_dict(), tmp_path / "net.pt")
    loaded = load(tmp_path / "net.pt", arch=MLP)
    torch.testing.assert_close(loaded.module(input_for(net)), net(input_for(net)), rtol=0, atol=0)
    facts = {layer.name: (layer.masked, layer.zeros, layer.zero_units) for layer in loaded.contents.layers}
    assert facts == {"fc1": (21 + 2, 21 + 2, 0), "fc2": (7, 7, 1)}
    assert set(loaded.contents.tensors) == set(Mlp().state_dict())


def test_plain_zeros_need_no_mask(tmp_path: Path) -> None:
    net = Mlp()
    with torch.no_grad():
        net.fc1.weight[2] = 0
    torch.save(net.state_dict(), tmp_path / "net.pt")
    fc1 = read(tmp_path / "net.pt").layers[0]
    assert (fc1.masked, fc1.zeros, fc1.zero_units) == (0, 6, 1)


@pytest.mark.parametrize("save", SAVES)
@pytest.mark.parametrize("name", ["fc1.weight", "module.fc1.weight", "fc1.weight_mask"])
@pytest.mark.parametrize("dtype", [torch.bool, torch.float32, torch.uint8])
def test_sidecar_masks_are_applied(tmp_path: Path, save: str, name: str, dtype: torch.dtype) -> None:
    net = Mlp()
    mask = torch.arange(42).reshape(7, 6) % 3 == 0
    torch.save({f"module.{n}": t for n, t in net.state_dict().items()}, tmp_path / "net.pt")
    SAVES[save]({name: mask.to(dtype)}, tmp_path / "masks")
    loaded = load(tmp_path / "net.pt", arch=MLP, masks=tmp_path / "masks")
    assert torch.equal(loaded.module.get_parameter("fc1.weight"), net.fc1.weight * mask)
    assert loaded.contents.layers[0].masked == 28


def test_sidecar_masks_take_the_plain_names_of_dendritic_layers(tmp_path: Path) -> None:
    from tests.checkpoint.perforate import grown, save

    net = grown(Mlp(), input_for(Mlp()), dendrites=1, activation=torch.tanh, folder=tmp_path)
    file = save(net, tmp_path)
    zeros = {"fc1.weight": torch.zeros(7, 6), "fc2.dendrite_module.layers.0.weight": torch.zeros(3, 7)}
    torch.save(zeros, tmp_path / "masks.pt")
    state = load(file, arch=MLP, masks=tmp_path / "masks.pt").module.state_dict()
    empty = [name for name, tensor in state.items() if not tensor.any()]
    assert empty == ["fc1.soma.weight", "fc2.dendrites.0.weight"]


@pytest.mark.parametrize(
    ("masks", "told"),
    [
        ({"fc1.wieght": torch.ones(7, 6)}, "no such parameter\nDid you mean 'fc1.weight'"),
        ({"fc1.weight": torch.ones(6, 7)}, r"shape \(6, 7\), the parameter \(7, 6\)"),
        ({"fc1.weight": torch.full((7, 6), 0.5)}, "values other than 0 and 1"),
        ({"fc1.weight": torch.full((7, 6), float("nan"))}, "values other than 0 and 1"),
    ],
)
@pytest.mark.parametrize("save", SAVES)
def test_sidecar_masks_that_do_not_fit_are_refused(
    tmp_path: Path, save: str, masks: dict[str, Tensor], told: str
) -> None:
    torch.save(Mlp().state_dict(), tmp_path / "net.pt")
    SAVES[save](masks, tmp_path / "masks")
    with pytest.raises(InputError, match=told):
        read(tmp_path / "net.pt", masks=tmp_path / "masks")


def test_a_sidecar_that_is_missing_or_holds_objects_or_too_much_is_refused(tmp_path: Path) -> None:
    torch.save(nn.Linear(2, 2).state_dict(), tmp_path / "net.pt")
    with pytest.raises(InputError, match="does not exist"):
        read(tmp_path / "net.pt", masks=tmp_path / "masks.npz")
    save_npz({"weight": np.array([{}], dtype=object)}, tmp_path / "masks.npz")
    with pytest.raises(InputError, match="cannot be read"):
        read(tmp_path / "net.pt", masks=tmp_path / "masks.npz")
    save_npz({"weight": np.zeros(10_000_000)}, tmp_path / "masks.npz")
    with pytest.raises(InputError, match="claims 80000128 bytes"):
        read(tmp_path / "net.pt", masks=tmp_path / "masks.npz")


def test_a_mask_of_another_shape_inside_the_file_is_named(tmp_path: Path) -> None:
    torch.save({"weight_orig": torch.ones(3, 3), "weight_mask": torch.ones(3)}, tmp_path / "net.pt")
    with pytest.raises(InputError, match=r"the mask of weight has shape \(3,\)"):
        read(tmp_path / "net.pt")
