"""Masks beside the weights, or in a file of their own, become zeros of the weights."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch
from torch import Tensor, nn
from torch.ao.pruning import WeightNormSparsifier
from torch.nn.utils import parametrize, prune

from edgeshrink.checkpoint import load, read
from edgeshrink.checkpoint.masks.baking import bake_masks
from edgeshrink.dendrites import MaskedGroupedConv2d
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
    every_other = torch.arange(net.fc1.weight.numel()).view_as(net.fc1.weight) % 2  # no row is all zeros
    prune.custom_from_mask(net.fc1, "weight", every_other)
    prune.random_unstructured(net.fc1, "bias", 2)
    prune.ln_structured(net.fc2, "weight", 1, n=2, dim=0)
    torch.save(net.state_dict(), tmp_path / "net.pt")
    loaded = load(tmp_path / "net.pt", arch=MLP)
    torch.testing.assert_close(loaded.module(input_for(net)), net(input_for(net)), rtol=0, atol=0)
    facts = {layer.name: (layer.masked, layer.zeros, layer.zero_units) for layer in loaded.contents.layers}
    assert facts == {"fc1": (21 + 2, 21 + 2, 0), "fc2": (7, 7, 1)}
    assert set(loaded.contents.tensors) == set(Mlp().state_dict())


@pytest.mark.parametrize("dtype", [torch.bool, torch.float32])
def test_a_file_of_masks_given_as_a_checkpoint_is_told_so(tmp_path: Path, dtype: torch.dtype) -> None:
    masks = {"fc1.weight": torch.ones(7, 6), "fc2.weight": torch.tensor([[0.0, 1], [1, 1]])}
    torch.save({name: mask.to(dtype) for name, mask in masks.items()}, tmp_path / "masks.pt")
    assert "give that with --masks beside" in read(tmp_path / "masks.pt").warnings[0]


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
        ({"fc1.wieght": torch.ones(7, 6)}, "no such parameter\\.\nDid you mean 'fc1.weight'"),
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
    with pytest.raises(InputError, match="claims 80,000,000 bytes"):
        read(tmp_path / "net.pt", masks=tmp_path / "masks.npz")


def test_a_mask_of_another_shape_inside_the_file_is_named(tmp_path: Path) -> None:
    torch.save({"weight_orig": torch.ones(3, 3), "weight_mask": torch.ones(3)}, tmp_path / "net.pt")
    with pytest.raises(InputError, match=r"the mask of weight has shape \(3,\)"):
        read(tmp_path / "net.pt")


@pytest.mark.parametrize(
    ("mask", "told"),
    [
        (torch.ones(3, 3).to_sparse(), "sparse"),
        (torch.ones(3, 3, dtype=torch.complex64), "complex"),
        (torch.zeros(3, 3, dtype=torch.uint8).view(torch.float4_e2m1fn_x2), "packed"),
    ],
)
@pytest.mark.parametrize(
    "names", [("{}_orig", "{}_mask"), ("parametrizations.{}.original", "parametrizations.{}.0.mask")]
)
def test_a_mask_that_is_no_dense_tensor_of_numbers_is_refused(
    mask: Tensor, told: str, names: tuple[str, str]
) -> None:
    original, masked = (name.format("weight") for name in names)
    with pytest.raises(InputError, match=f"is {told}.*\nSave masks as dense tensors"):
        bake_masks({original: torch.ones(3, 3), masked: mask})


@pytest.mark.parametrize(
    "parameter", [torch.ones(3, 3).to_sparse(), torch.ones(3, 3, device="meta")], ids=["sparse", "meta"]
)
def test_a_masked_parameter_that_is_no_dense_tensor_is_refused(parameter: Tensor) -> None:
    with pytest.raises(InputError, match="parameter weight has a mask and is"):
        bake_masks({"weight_orig": parameter, "weight_mask": torch.ones(3, 3)})


def test_a_file_that_has_the_parameter_itself_means_something_else_by_the_names() -> None:
    tensors = {name: torch.ones(2) for name in ("weight", "weight_orig", "weight_mask")}
    assert bake_masks(tensors)[0] == tensors


class Mask(nn.Module):
    """A parametrization with a mask, as users write it."""

    def __init__(self, mask: Tensor) -> None:
        super().__init__()
        self.register_buffer("mask", mask)

    def forward(self, weight: Tensor) -> Tensor:
        return weight * self.mask


def parametrized(*parametrizations: nn.Module) -> Mlp:
    net = Mlp()
    for parametrization in parametrizations:
        parametrize.register_parametrization(net.fc1, "weight", parametrization)
    return net


def half(dtype: torch.dtype = torch.float32) -> Tensor:
    return (torch.arange(42).reshape(7, 6) % 2).to(dtype)


@pytest.mark.parametrize("dtype", [torch.bool, torch.float32, torch.int64])
def test_a_parametrizations_mask_is_baked(tmp_path: Path, dtype: torch.dtype) -> None:
    net = parametrized(Mask(half(dtype)))
    torch.save(net.state_dict(), tmp_path / "net.pt")
    loaded = load(tmp_path / "net.pt", arch=MLP)
    torch.testing.assert_close(loaded.module(input_for(net)), net(input_for(net)), rtol=0, atol=0)
    assert set(loaded.contents.tensors) == set(Mlp().state_dict())
    assert loaded.contents.layers[0].masked == 21
    assert loaded.contents.warnings == ()


@pytest.mark.parametrize(
    ("parametrizations", "why"),
    [
        ((Mask(half() * 0.5),), "has a mask with values other than 0 and 1"),
        ((Mask(torch.ones(7, 1)),), r"has a mask of another shape, \(7, 1\)"),
        ((Mask(half()), Mask(half())), "has more than a mask, or several"),
    ],
)
def test_other_parametrizations_with_a_mask_stay_for_a_network_that_has_them(
    tmp_path: Path, parametrizations: tuple[nn.Module, ...], why: str
) -> None:
    net = parametrized(*parametrizations)
    torch.save(net.state_dict(), tmp_path / "net.pt")
    contents = read(tmp_path / "net.pt")
    [warning] = contents.warnings
    assert re.search(f"^fc1.weight: the parametrization {why}, so it is not baked", warning)
    assert "fc1.parametrizations.weight.0.mask" in contents.tensors


def test_a_file_of_torch_ao_pruning_loads_dense_and_says_that_its_mask_is_gone(tmp_path: Path) -> None:
    net = Mlp()
    sparsifier = WeightNormSparsifier(sparsity_level=0.5, sparse_block_shape=(1, 1), zeros_per_block=1)
    sparsifier.prepare(net, [{"tensor_fqn": "fc1.weight"}])
    sparsifier.step()
    assert not net.fc1.weight.all()
    torch.save(net.state_dict(), tmp_path / "net.pt")
    loaded = load(tmp_path / "net.pt", arch=MLP)
    assert torch.equal(loaded.module.get_parameter("fc1.weight"), net.fc1.parametrizations.weight.original)
    [warning] = loaded.contents.warnings
    assert warning.startswith(
        "fc1.weight: the file has the original weights of a parametrization and not its mask"
    )
    assert "squash_mask()" in warning


@pytest.mark.parametrize(
    "norm", [nn.utils.parametrizations.weight_norm, nn.utils.parametrizations.spectral_norm]
)
def test_norms_of_weights_are_no_masks(tmp_path: Path, norm: Callable[[nn.Module], nn.Module]) -> None:
    net = Mlp()
    norm(net.fc1)
    torch.save(net.state_dict(), tmp_path / "net.pt")
    contents = read(tmp_path / "net.pt")
    assert set(contents.tensors) == set(net.state_dict())
    assert contents.warnings == ()


def test_the_threshold_decides_what_a_learnable_mask_masks(tmp_path: Path) -> None:
    net = MaskedGroupedConv2d(4, 6, 3, groups=2, threshold=0.25)
    with torch.no_grad():
        net.mask[:2] = torch.tensor([0.25, 0.26])
    torch.save(nn.ModuleDict({"conv": net}).state_dict(), tmp_path / "net.pt")
    contents = read(tmp_path / "net.pt")
    [layer] = contents.layers
    assert (layer.kind, layer.threshold) == ("masked conv2d", 0.25)
    assert (layer.masked, layer.zeros, layer.zero_units) == (2 * 9 + 1, 2 * 9 + 1, 1)
    assert torch.equal(contents.tensors["conv.weight"], net.weight)


def test_packed_numbers_are_refused_wherever_they_stand(tmp_path: Path) -> None:
    torch.save(
        {"weight": torch.zeros(3, 2, dtype=torch.uint8).view(torch.float4_e2m1fn_x2)}, tmp_path / "net.pt"
    )
    with pytest.raises(InputError, match=r"tensor weight of .* is packed \(torch.float4_e2m1fn_x2\)"):
        read(tmp_path / "net.pt")


@pytest.mark.parametrize("dtype", [torch.float8_e4m3fn, torch.uint16, torch.float16])
def test_masks_of_rare_types_are_counted(dtype: torch.dtype) -> None:
    mask = (torch.arange(6) % 3 > 0).to(dtype)
    baked, masked, _ = bake_masks({"weight_orig": torch.ones(6), "weight_mask": mask})
    assert baked["weight"].tolist() == [0, 1, 1, 0, 1, 1]
    assert masked == {"weight": 2}
