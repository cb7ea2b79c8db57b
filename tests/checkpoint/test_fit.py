"""Where file and network do not fit, one error shows it by layer, and says why most likely."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn.utils import parametrizations

from edgeshrink.checkpoint import load
from edgeshrink.dendrites import DendriticLayer, MaskedGroupedConv2d
from edgeshrink.errors import InputError
from tests.checkpoint.networks import ConvNet, Mlp, input_for

NETWORKS, HERE = "tests.checkpoint.networks", "tests.checkpoint.test_fit"


class Tower(nn.Module):
    """As many layers in a row as asked for, of one width."""

    def __init__(
        self, depth: int = 3, width: int = 4, inputs: int = 4, kernel: int = 3, bias: bool = True
    ) -> None:
        super().__init__()
        sizes = [inputs, *[width] * depth]
        self.layers = nn.Sequential(
            *(nn.Conv1d(*pair, kernel, bias=bias) for pair in itertools.pairwise(sizes))
        )


class Wrapped(nn.Module):
    """A network within a trainer's module, which has a tensor of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.model = Mlp()
        self.temperature = nn.Parameter(torch.ones(1))


class Tied(nn.Module):
    def __init__(self, tie: bool = True) -> None:
        super().__init__()
        self.embedding, self.head = nn.Embedding(5, 3), nn.Linear(3, 5, bias=False)
        if tie:
            self.head.weight = self.embedding.weight

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.embedding(x))


def dendritic() -> nn.Module:
    net = Mlp()
    net.fc1 = DendriticLayer(net.fc1, [nn.Linear(6, 7)], 7)
    return net


def learnable() -> nn.Module:
    net = ConvNet()
    net.conv = MaskedGroupedConv2d(4, 4, 3)
    return net


def normed() -> nn.Module:
    net = Mlp()
    parametrizations.weight_norm(net.fc1)
    return net


class Handmade(Mlp):
    """Keeps mask and weight as buffer and parameter of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("fc1_mask", torch.ones(7, 6))


def saved(network: nn.Module | dict[str, Tensor], folder: Path) -> Path:
    state = network if isinstance(network, dict) else network.state_dict()
    torch.save(state, folder / "net.pt")
    return folder / "net.pt"


def refused(path: Path, arch: str, arguments: dict[str, Any] | None = None) -> InputError:
    with pytest.raises(InputError) as caught:
        load(path, arch=arch, arch_args=arguments)
    return caught.value


def test_it_shows_a_layer_a_line_with_all_its_tensors(tmp_path: Path) -> None:
    error = refused(saved(Mlp(), tmp_path), f"{NETWORKS}:ConvNet")
    head, *lines = error.message.splitlines()
    assert head.endswith("net.pt: 13 tensors not in the file, 4 tensors not in the network")
    assert lines == [
        "  not in the file: block.0.weight 4x1x3x3",
        "  not in the file: block.1.weight 4, block.1.bias 4, block.1.running_mean 4, block.1.running_var 4",
        "  not in the file: conv.weight 4x4x3x3, conv.bias 4",
        "  not in the file: bn.weight 4, bn.bias 4, bn.running_mean 4, bn.running_var 4",
        "  not in the file: head.weight 5x64, head.bias 5",
        "  not in the network: fc1.weight 7x6, fc1.bias 7",
        "  not in the network: fc2.weight 3x7, fc2.bias 3",
    ]
    assert error.hint.startswith("Likely cause: another network")


def test_what_is_wrong_with_a_layer_stands_together(tmp_path: Path) -> None:
    state = Mlp(9).state_dict() | {"fc1.scale": torch.ones(())}
    del state["fc1.bias"]
    _, fc1, fc2 = refused(saved(state, tmp_path), f"{NETWORKS}:Mlp").message.splitlines()
    assert fc1 == (
        "  fc1.weight 9x6 in the file, 7x6 in the network; not in the file: fc1.bias 7; "
        "not in the network: fc1.scale scalar"
    )
    assert fc2 == "  fc2.weight 3x9 in the file, 3x7 in the network"


def test_layers_and_tensors_beyond_the_first_few_are_counted(tmp_path: Path) -> None:
    file = saved(Tower(2).state_dict() | {f"more.t{i}": torch.ones(1) for i in range(6)}, tmp_path)
    lines = refused(file, f"{HERE}:Tower", {"depth": 20}).message.splitlines()
    assert len(lines) == 1 + 8 + 1
    assert lines[-1] == "  ... and 11 more layers"
    last = refused(file, f"{HERE}:Tower", {"depth": 2}).message.splitlines()[-1]
    assert last == "  not in the network: more.t0 1, more.t1 1, more.t2 1, more.t3 1 and 2 more"


CAUSES: dict[str, tuple[Callable[[], nn.Module | dict[str, Tensor]], str, dict[str, Any], str]] = {
    "width": (lambda: Mlp(9), "Mlp", {}, "other widths; pass the ones trained with --arch-args"),
    "classes": (
        lambda: ConvNet(classes=9),
        "ConvNet",
        {},
        "layer head has another number of outputs (classes); the checkpoint has 9",
    ),
    "inputs": (
        lambda: Tower(inputs=1),
        "Tower",
        {},
        "layer layers.0 has another number of inputs: 1 in the checkpoint, 4 in the network",
    ),
    "kernels": (lambda: Tower(kernel=5), "Tower", {}, "other kernel sizes"),
    "kind": (
        lambda: {n: t[..., 0] if t.dim() == 4 else t for n, t in ConvNet().state_dict().items()},
        "ConvNet",
        {},
        "layers of another kind under the same names",
    ),
    "deeper": (
        lambda: Tower(5),
        "Tower",
        {},
        "another depth: 'layers' has 5 parts in the checkpoint and 3 in the network",
    ),
    "shallower": (
        lambda: Tower(2),
        "Tower",
        {},
        "another depth: 'layers' has 2 parts in the checkpoint and 3 in the network",
    ),
    "more layers": (
        lambda: {n: t for n, t in ConvNet().state_dict().items() if "bn" not in n},
        "ConvNet",
        {},
        "layers more or fewer",
    ),
    "bias": (Tower, "Tower", {"bias": False}, "the checkpoint's layers have a bias there"),
    "no bias": (lambda: Tower(bias=False), "Tower", {}, "the network's layers have a bias there"),
    "wrapper around the file": (
        Wrapped,
        "Mlp",
        {},
        "begin with 'model.', which a wrapper (a Lightning module, say) left",
    ),
    "wrapper around the network": (
        lambda: Mlp().state_dict() | {"other": torch.ones(1)},
        "Wrapped",
        {},
        "names in the network begin with 'model.'",
    ),
    "block": (
        lambda: {n.replace("conv.", "conv.model.0."): t for n, t in ConvNet().state_dict().items()},
        "ConvNet",
        {},
        "put torch.nn.Sequential with the same layers",
    ),
    "dendrites in the network": (
        Mlp,
        "dendritic",
        {},
        "the factory returns a network with dendrites, and the checkpoint has layer fc1 without",
    ),
    "dendrites in the file": (dendritic, "Mlp", {}, "the factory's layer fc1 has none"),
    "learnable mask": (learnable, "ConvNet", {}, "conv has a learnable mask in the checkpoint"),
    "no learnable mask": (ConvNet, "learnable", {}, "a mask or a parametrization on conv of its own"),
    "parametrization": (
        normed,
        "Mlp",
        {},
        "fc1 was trained under a parametrization that the factory's network lacks",
    ),
    "masks alone": (
        lambda: Mlp().state_dict() | {"conv.weight_mask": torch.ones(3)},
        "Mlp",
        {},
        "conv.weight_mask is a mask without the parameter",
    ),
    "a mask of one's own": (Mlp, "Handmade", {}, "has a mask or a parametrization on "),
}


@pytest.mark.parametrize(("file", "factory", "arguments", "told"), CAUSES.values(), ids=CAUSES)
def test_the_likely_cause_is_told(
    tmp_path: Path, file: Callable[[], Any], factory: str, arguments: dict[str, Any], told: str
) -> None:
    where = NETWORKS if factory in ("Mlp", "ConvNet") else HERE
    hint = refused(saved(file(), tmp_path), f"{where}:{factory}", arguments).hint
    assert hint.startswith("Likely cause: ")
    assert told in hint


def test_classes_are_recognised_under_dendrites(tmp_path: Path) -> None:
    from tests.checkpoint.perforate import grown, save

    theirs = grown(
        ConvNet(classes=9), input_for(ConvNet()), dendrites=2, activation=torch.tanh, folder=tmp_path
    )
    error = refused(save(theirs, tmp_path), f"{NETWORKS}:ConvNet")
    assert "layer head has another number of outputs (classes); the checkpoint has 9" in error.hint
    assert error.message.splitlines()[1].startswith("  head.weight 9x64 in the file, 5x64 in the network; ")


def test_what_the_network_ties_needs_to_be_given_once(tmp_path: Path) -> None:
    net = Tied()
    for name in ("embedding.weight", "head.weight"):
        save_file({name: net.embedding.weight.detach()}, tmp_path / "net.safetensors")
        module = load(tmp_path / "net.safetensors", arch=f"{HERE}:Tied").module
        assert torch.equal(module.head.weight, net.head.weight)
        assert module.head.weight is module.embedding.weight


def test_two_values_for_what_the_network_ties_are_refused(tmp_path: Path) -> None:
    error = refused(saved(Tied(tie=False), tmp_path), f"{HERE}:Tied")
    assert error.message.startswith(
        f"embedding.weight and head.weight are one tensor in the network of --arch {HERE}"
    )
    assert "without tying" in error.hint


def test_equal_values_for_what_the_network_ties_are_welcome(tmp_path: Path) -> None:
    net = Tied(tie=False)
    with torch.no_grad():
        net.head.weight.copy_(net.embedding.weight)
        net.head.weight[0, 0] = net.embedding.weight[0, 0] = torch.nan
    assert load(saved(net, tmp_path), arch=f"{HERE}:Tied").module.head.weight[0, 0].isnan()
