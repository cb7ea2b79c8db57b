"""PerforatedAI's inference form, in every layout it had: loaded, it computes what the trained network did."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from edgeshrink.checkpoint import LoadedCheckpoint, load, read
from edgeshrink.errors import InputError
from edgeshrink.zoo import perforated
from tests.checkpoint.networks import GruNet, Mlp, input_for
from tests.checkpoint.perforate import grown, one_more, save_inference, tensors_of

MLP = "tests.checkpoint.networks:Mlp"
LAYERS = ("fc1", "fc2")
Layout = Callable[[str, list[Tensor]], dict[str, Tensor]]


def mlp(folder: Path, dendrites: int) -> nn.Module:
    return grown(Mlp(), input_for(Mlp()), dendrites=dendrites, activation=torch.tanh, folder=folder)


def largest_difference(ours: nn.Module, theirs: nn.Module, x: Tensor) -> float:
    with torch.no_grad():
        return float((ours(x) - theirs(x)).abs().max())


def dense(layer: str, units: list[Tensor]) -> dict[str, Tensor]:
    """One tensor; what no unit reads is NaN here, so that reading it would show."""
    count, channels = len(units), units[0].shape[1]
    weights = torch.full((count, count + 1, channels), float("nan"))
    for i, rows in enumerate(units):
        weights[i, : i + 1] = rows
    ids = {f"{layer}.layer_array.{i}.module_id": torch.zeros(16, dtype=torch.uint8) for i in range(count + 1)}
    return {f"{layer}.skip_weights": weights, f"{layer}.module_id": torch.zeros(16, dtype=torch.uint8), **ids}


def placeholder_in_front(layer: str, units: list[Tensor]) -> dict[str, Tensor]:
    rows = [torch.zeros(0), *units]
    return {f"{layer}.skip_weights.{i}": tensor for i, tensor in enumerate(rows)}


def zero_in_front(layer: str, units: list[Tensor]) -> dict[str, Tensor]:
    return placeholder_in_front(layer, units) | {f"{layer}.skip_weights.0": torch.zeros(1, 1, 1)}


def nothing_in_front(layer: str, units: list[Tensor]) -> dict[str, Tensor]:
    return {f"{layer}.skip_weights.{i}": tensor for i, tensor in enumerate(units)}


def laid_out(net: nn.Module, file: Path, layout: Layout) -> Path:
    """The library's own file, its mixing weights (taken from the network in training) in another layout."""
    tensors = {name: t for name, t in tensors_of(file).items() if ".skip_weights." not in name}
    state = net.state_dict()
    for layer in LAYERS:
        count = sum(name.startswith(f"{layer}.dendrites_to_top.") for name in state)
        between = [state[f"{layer}.dendrite_module.dendrites_to_dendrites.{i}"] for i in range(1, count)]
        units = [*between, state[f"{layer}.dendrites_to_top.{count - 1}"]]
        tensors |= layout(layer, [unit.contiguous() for unit in units])
    save_file(tensors, file)
    return file


@pytest.mark.parametrize("dendrites", [1, 2, 5])
@pytest.mark.parametrize("layout", [dense, placeholder_in_front, zero_in_front, nothing_in_front])
def test_every_layout_gives_the_same_network(tmp_path: Path, layout: Layout, dendrites: int) -> None:
    theirs = mlp(tmp_path, dendrites)
    file = laid_out(theirs, save_inference(theirs, tmp_path), layout)
    loaded = load(file, arch=MLP)
    assert largest_difference(loaded.module, theirs, input_for(Mlp())) <= 1e-6
    assert loaded.contents.format == "PerforatedAI inference form (safetensors)"
    assert loaded.contents.activation_source == "config file PAI_config.json"
    assert loaded.contents.warnings == ()
    assert loaded.contents.dropped.get("module ids", 0) == (2 * (dendrites + 2) if layout is dense else 0)


def test_the_layers_are_told_without_arch(tmp_path: Path) -> None:
    contents = read(save_inference(mlp(tmp_path, 2), tmp_path))
    assert [(layer.name, layer.kind, layer.dendrites) for layer in contents.layers] == [
        ("fc1", "linear", 2),
        ("fc2", "linear", 2),
    ]
    assert [layer.parameters for layer in contents.layers] == [3 * (42 + 7) + 3 * 7, 3 * (21 + 3) + 3 * 3]
    assert contents.dropped == {"bookkeeping": 4}


def test_no_dendrites_is_the_plain_network(tmp_path: Path) -> None:
    theirs = mlp(tmp_path, 0)
    loaded = load(save_inference(theirs, tmp_path), arch=MLP)
    assert largest_difference(loaded.module, theirs, input_for(Mlp())) == 0
    assert loaded.contents.warnings == ()
    assert {layer.dendrites for layer in loaded.contents.layers} == {0}


def as_the_library_loads_it(file: Path) -> nn.Module:
    from perforatedai import network_perforatedai as library

    with perforated.session(file.parent):
        net: nn.Module = library.load_pai_model(Mlp(), str(file))
    return net.eval()


def lost_warning(loaded: LoadedCheckpoint) -> str:
    [warning] = loaded.contents.warnings
    return warning


def test_a_lost_dendrite_is_told_and_the_rest_computes_what_the_library_does(tmp_path: Path) -> None:
    theirs = mlp(tmp_path, 1)
    file = save_inference(theirs, tmp_path)
    loaded = load(file, arch=MLP)
    x = input_for(Mlp())
    assert largest_difference(loaded.module, as_the_library_loads_it(file), x) == 0
    assert largest_difference(loaded.module, theirs, x) > 1e-3  # what is lost did matter
    assert "output weights of the only dendrite are missing for fc1, fc2" in lost_warning(loaded)
    assert "save the training form" in lost_warning(loaded)
    assert loaded.contents.dropped["dendrites without output weights"] == 4


def test_only_the_layers_with_one_dendrite_lose_it(tmp_path: Path) -> None:
    theirs = mlp(tmp_path, 1)
    one_more(theirs, "fc2")
    file = save_inference(theirs, tmp_path)
    loaded = load(file, arch=MLP)
    assert largest_difference(loaded.module, as_the_library_loads_it(file), input_for(Mlp())) <= 1e-6
    assert {layer.name: layer.dendrites for layer in loaded.contents.layers} == {"fc1": 0, "fc2": 2}
    assert "missing for fc1:" in lost_warning(loaded)


def test_a_recurrent_layer_keeps_its_channel_dimension(tmp_path: Path) -> None:
    x = input_for(GruNet())
    theirs = grown(GruNet(), x, dendrites=2, activation=torch.tanh, folder=tmp_path)
    loaded = load(save_inference(theirs, tmp_path), arch="tests.checkpoint.networks:GruNet")
    assert largest_difference(loaded.module, theirs, x) <= 1e-6


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"fc1.skip_weights.0": None}, "skip_weights has nothing for what dendrite 1 reads"),
        ({"fc1.skip_weights.1": None}, "skip_weights has nothing for what the output reads"),
        ({"fc1.skip_weights.0": torch.ones(2, 7)}, "is the second with 2 rows"),
        ({"fc1.skip_weights.0": torch.ones(9, 7)}, "has 9 rows for 2 dendrites"),
        ({"fc1.skip_weights.0": torch.ones(1, 6)}, "skip_weights.0 is (1, 6), not (1, 7)"),
        ({"fc1.skip_weights.0": torch.ones(1, 7, 2)}, "skip_weights.0 is (1, 7, 2)"),
        ({"fc1.skip_weights": torch.ones(2, 2, 7)}, "skip_weights is (2, 2, 7) for 2 dendrites"),
        ({"fc1.skip_weights.1": torch.ones(2, 7, dtype=torch.int32)}, "is of type torch.int32"),
        ({"fc1.layer_array.1.weight": None, "fc1.layer_array.1.bias": None}, "layer_array has gaps"),
        ({f"fc1.layer_array.{'9' * 5000}.weight": torch.ones(1)}, "a number of 5000 digits"),
        ({"fc1.node_index": torch.tensor(0)}, "the channel dimension is 0, but 1 by the shape beside it"),
        ({"fc1.node_index": torch.tensor(7)}, "the channel dimension is 7"),
        ({"fc1.node_index": torch.tensor(1.5)}, "the channel dimension is no integer"),
        ({"fc1.node_index": torch.tensor([1, 1])}, "the channel dimension is no integer"),
    ],
)
def test_damage_is_named(tmp_path: Path, change: dict[str, Tensor | None], told: str) -> None:
    file = save_inference(mlp(tmp_path, 2), tmp_path)
    tensors = tensors_of(file) | change
    save_file({name: tensor for name, tensor in tensors.items() if tensor is not None}, file)
    with pytest.raises(InputError) as caught:
        load(file, arch=MLP)
    assert caught.value.message.startswith("layer fc1: ")
    assert told in caught.value.message


def test_a_layer_array_without_layers_is_damage(tmp_path: Path) -> None:
    torch.save(
        {"fc.layer_array.x.weight": torch.ones(2), "fc.node_index": torch.tensor(1)}, tmp_path / "net.pt"
    )
    with pytest.raises(InputError, match="layer fc: layer_array has gaps"):
        read(tmp_path / "net.pt")


def test_a_networks_own_layer_array_is_left_alone(tmp_path: Path) -> None:
    torch.save({"stack.layer_array.0.weight": torch.ones(2, 2)}, tmp_path / "net.pt")
    contents = read(tmp_path / "net.pt")
    assert contents.format == "state_dict (torch zip)"
    assert list(contents.tensors) == ["stack.layer_array.0.weight"]
