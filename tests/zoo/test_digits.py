"""The shipped digits network is what it says: real, dendritic, pruned, reproducible."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from edgeshrink.checkpoint import LoadedCheckpoint, load
from edgeshrink.dendrites import DendriticLayer
from edgeshrink.zoo import digits, perforated, pruning, training

FACTS = json.loads((digits.ASSETS / "digits.json").read_text())


@pytest.fixture(scope="module")
def loaded() -> LoadedCheckpoint:
    return load(digits.ASSETS / "digits.pt", arch="edgeshrink.zoo.digits:network")


@pytest.fixture(scope="module")
def heldout() -> tuple[torch.Tensor, torch.Tensor]:
    with np.load(digits.ASSETS / "digits_heldout.npz") as arrays:
        return torch.from_numpy(arrays["x"]), torch.from_numpy(arrays["labels"])


def test_the_plain_network_has_41076_parameters() -> None:
    assert sum(p.numel() for p in digits.network().parameters()) == 41_076


def test_importing_it_needs_neither_perforatedai_nor_mlxtend() -> None:
    code = "import sys, edgeshrink.zoo.digits; sys.exit(bool({'perforatedai', 'mlxtend'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_assets_stay_under_2_mb() -> None:
    assert sum(file.stat().st_size for file in digits.ASSETS.iterdir()) < 2_000_000


def test_the_accuracy_stated_is_the_accuracy_measured(
    loaded: LoadedCheckpoint, heldout: tuple[torch.Tensor, torch.Tensor]
) -> None:
    x, labels = heldout
    assert (x.shape, x.dtype, labels.dtype) == ((1000, 1, 28, 28), torch.float32, torch.int64)
    with torch.no_grad():
        right = int((loaded.module(x).argmax(1) == labels).sum())
    assert right / 1000 == FACTS["accuracy"]["after fine-tuning"]


def test_it_computes_what_the_library_computes(
    loaded: LoadedCheckpoint, heldout: tuple[torch.Tensor, torch.Tensor], tmp_path: Path
) -> None:
    from safetensors.torch import load_file

    few = training.Data(heldout[0][:64], heldout[1][:64])
    plain = digits.network()
    with perforated.session(tmp_path):
        theirs = perforated.prepare(plain, blocks=["block2"], layers=["fc1"], dendrites=3, name="digits")
        theirs = perforated.grow(theirs, few, first=1, each=1)
    kinds = {"block1": nn.Conv2d, "block2": nn.Conv2d, "block3": nn.Conv2d, "fc1": nn.Linear}
    for name, kind in kinds.items():
        layer = pruning.branches(theirs.get_submodule(name), kind)
        pruning.mask(layer, torch.ones_like(layer[0].weight))
    state = load_file(digits.ASSETS / "digits.pt")
    del state["tracker_string"]  # the history, of another length
    assert theirs.load_state_dict(state, strict=False) == (["tracker_string"], [])
    with torch.no_grad():
        difference = theirs.eval()(heldout[0]) - loaded.module(heldout[0])
    assert float(difference.abs().max()) <= 1e-6


def test_two_layers_have_three_dendrites_and_one_of_them_is_dead(loaded: LoadedCheckpoint) -> None:
    layers = {layer.name: layer for layer in loaded.contents.layers}
    assert {name: layer.dendrites for name, layer in layers.items() if layer.dendrites} == {
        "block2": 3,
        "fc1": 3,
    }
    assert layers["fc1"].dead_dendrites == 1
    assert (loaded.contents.activation, loaded.contents.warnings) == ("tanh", ())
    assert sum(layer.parameters for layer in layers.values()) == FACTS["parameters"]["with dendrites"]
    assert {name: layer.zero_units for name, layer in layers.items() if layer.zero_units} == {
        "block1.0": 2,
        "block2": 8,
        "block3.0": 8,
        "fc1": 60,
    }


def constants(net: nn.Module, layer: str) -> list[float]:
    """List what the dead units of a layer emit after ReLU, and check that it depends on no input."""
    module = net.get_submodule(layer)
    outputs: list[torch.Tensor] = []
    hook = module.register_forward_hook(
        lambda *arguments: outputs.append(arguments[-1].relu().transpose(0, 1).flatten(1))
    )
    with torch.no_grad():
        net(torch.randn(8, 1, 28, 28))
    hook.remove()
    somas = [m for m in module.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    dead = ~torch.stack([m.weight.flatten(1).ne(0).any(1) for m in somas]).any(0)
    emitted = outputs[0][dead]
    assert bool((emitted == emitted[:, :1]).all())
    return emitted[:, 0].tolist()


@pytest.mark.parametrize(("layer", "dead"), [("block1", 2), ("block2", 8), ("block3", 8), ("fc1", 60)])
def test_dead_units_emit_constants_some_of_them_not_zero(
    loaded: LoadedCheckpoint, layer: str, dead: int
) -> None:
    emitted = constants(loaded.module, layer)
    assert len(emitted) == dead
    assert any(value > 0.01 for value in emitted)


def test_block2_is_3x3_in_soma_and_dendrites(loaded: LoadedCheckpoint) -> None:
    block = loaded.module.get_submodule("block2")
    assert isinstance(block, DendriticLayer)
    for branch in (block.soma, *block.dendrites):
        weight = branch[0].weight.detach().clone()
        assert weight[:, :, 1:-1, 1:-1].any()
        weight[:, :, 1:-1, 1:-1] = 0
        assert not weight.any()


def test_block3_hides_two_scattered_groups(loaded: LoadedCheckpoint) -> None:
    reads = loaded.module.get_parameter("block3.0.weight").detach().ne(0).any(3).any(2)
    soma = loaded.module.get_parameter("block2.soma.0.weight").detach()
    living = soma.flatten(1).ne(0).any(1)
    patterns = {tuple(row.tolist()) for row in reads[:, living] if row.any()}
    first, second = (torch.tensor(pattern) for pattern in patterns)
    assert int(first.sum()) == int(second.sum()) == 4
    assert not (first & second).any()
    assert int((first[1:] != first[:-1]).sum()) > 1  # scattered, not two halves


def test_there_are_weights_under_the_masks() -> None:
    from safetensors.torch import load_file

    state = load_file(digits.ASSETS / "digits.pt")
    masks = [name for name in state if name.endswith("_mask")]
    assert len(masks) == 1 + 4 + 1 + 4
    for name in masks:
        assert (state[name.replace("_mask", "_orig")][state[name] == 0] != 0).all()


@pytest.mark.slow
def test_training_reproduces_the_accuracy(tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "edgeshrink.zoo.digits", "-o", tmp_path], check=True, capture_output=True
    )
    again = json.loads((tmp_path / "digits.json").read_text())
    within = FACTS["accuracy_reproduces_within"]
    for moment in ("before pruning", "after fine-tuning"):
        assert again["accuracy"][moment] == pytest.approx(FACTS["accuracy"][moment], abs=within)
    assert again["parameters"] == FACTS["parameters"]
    load(tmp_path / "digits.pt", arch="edgeshrink.zoo.digits:network")
