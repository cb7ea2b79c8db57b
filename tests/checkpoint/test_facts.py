"""Kinds of layers, told from names and shapes alone."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
import safetensors.torch
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrizations

from edgeshrink.checkpoint import load, read
from edgeshrink.checkpoint.facts.layers import LayerFacts, layer_facts
from edgeshrink.checkpoint.layouts.arranged import Arranged, Dendrites
from edgeshrink.dendrites import MaskedGroupedConv1d, MaskedGroupedConv2d


def facts(tensors: dict[str, Tensor], **dendrites: Dendrites) -> tuple[LayerFacts, ...]:
    arranged = Arranged(plain=tensors, dendrites=dendrites)
    arranged.source = {name: name for name, _ in arranged.everything()}
    return layer_facts(arranged, {}, {})


def dendrites(*branches: dict[str, Tensor], channels: int, living: int | None = None) -> Dendrites:
    """Dendrites that do not read each other; from `living` on, nothing reads them."""
    top = torch.ones(len(branches), channels)
    top[living:] = 0 if living is not None else 1
    between = tuple(torch.zeros(i, channels) for i in range(1, len(branches)))
    return Dendrites(branches, between, top, channel_dim=1)


@pytest.mark.parametrize(
    ("layer", "kind"),
    [
        (nn.Linear(3, 4), "linear"),
        (nn.Conv1d(3, 4, 5), "conv1d"),
        (nn.Conv2d(3, 4, 5), "conv2d"),
        (nn.Conv3d(3, 4, 5), "conv3d"),
        (nn.BatchNorm2d(4), "batch norm"),
        (nn.LayerNorm(4), "norm"),
        (nn.GRU(3, 4), "gru"),
        (nn.LSTM(3, 4), "lstm"),
        (nn.RNN(3, 4), "rnn"),
        (nn.GRU(3, 4, num_layers=2, bidirectional=True), "gru"),
        (nn.LSTM(3, 12, proj_size=2), "lstm"),
        (nn.GRUCell(3, 4), "gru cell"),
        (nn.MultiheadAttention(4, 2), "attention + linear"),
        (MaskedGroupedConv1d(4, 6, 3, groups=2), "masked conv1d"),
        (MaskedGroupedConv2d(4, 6, 3, groups=2), "masked conv2d"),
        (parametrizations.weight_norm(nn.Conv2d(3, 4, 5)), "conv2d"),
        (parametrizations.spectral_norm(nn.Linear(3, 4)), "linear"),
    ],
)
def test_a_layers_kind_shows_in_its_tensors(tmp_path: Path, layer: nn.Module, kind: str) -> None:
    torch.save(nn.ModuleDict({"layer": layer}).state_dict(), tmp_path / "net.pt")
    layers = read(tmp_path / "net.pt").layers
    assert " + ".join(found.kind for found in layers) == kind
    assert sum(found.parameters for found in layers) == sum(p.numel() for p in layer.parameters())


def test_name_digest_and_format_are_told(tmp_path: Path) -> None:
    file = tmp_path / "net.pt"
    safetensors.torch.save_file(nn.Linear(2, 2).state_dict(), file)
    contents = read(file)
    assert contents.name == "net.pt"
    assert contents.sha256 == hashlib.sha256(file.read_bytes()).hexdigest()
    assert contents.format == "state_dict (safetensors)"
    assert (contents.activation, contents.activation_source) == (None, "no dendrites")
    assert contents.warnings == ()


def test_layer_ten_comes_after_layer_nine(tmp_path: Path) -> None:
    state = nn.Sequential(*(nn.Linear(1, 1) for _ in range(12))).state_dict()
    safetensors.torch.save_file(state, tmp_path / "net.pt")
    assert [layer.name for layer in read(tmp_path / "net.pt").layers] == [str(i) for i in range(12)]


@pytest.mark.parametrize(
    "dtype", [torch.float8_e4m3fn, torch.float16, torch.bfloat16, torch.uint16, torch.uint32]
)
def test_rare_types_are_read(tmp_path: Path, dtype: torch.dtype) -> None:
    safetensors.torch.save_file({"layer.weight": torch.eye(3).to(dtype)}, tmp_path / "net.pt")
    [layer] = read(tmp_path / "net.pt").layers
    assert layer.zeros == 6


@pytest.mark.parametrize("recurrent", [nn.GRU, nn.LSTM])
def test_a_recurrent_layer_with_dendrites_is_one_layer(recurrent: type[nn.Module]) -> None:
    state = recurrent(3, 4, num_layers=2, bidirectional=True).state_dict()
    branches = dendrites(dict(state), dict(state), channels=8)
    [layer] = facts({f"net.{name}": tensor for name, tensor in state.items()}, net=branches)
    assert (layer.name, layer.kind, layer.dendrites) == ("net", recurrent.__name__.lower(), 2)
    assert layer.parameters == 3 * sum(t.numel() for t in state.values()) + 3 * 8


def test_a_block_with_dendrites_joins_its_parts() -> None:
    state = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4)).state_dict()
    [layer] = facts(
        {f"block.{name}": tensor for name, tensor in state.items()},
        block=dendrites(dict(state), channels=4),
    )
    assert (layer.kind, layer.shape) == ("conv2d + batch norm", (4, 1, 3, 3))


def test_units_are_dead_where_no_living_dendrite_has_them() -> None:
    soma, living, dead = torch.ones(4, 3), torch.ones(4, 3), torch.ones(4, 3)
    soma[:3] = 0
    living[:2] = 0
    [layer] = facts(
        {"fc.weight": soma}, fc=dendrites({"weight": living}, {"weight": dead}, channels=4, living=1)
    )
    assert (layer.zero_units, layer.dead_dendrites) == (2, 1)
    assert (
        layer.note == "2 zero units may leave; 1 dead dendrite goes; 25% of its weights are zeros that "
        "make no whole unit and stay"
    )


def test_a_dendrites_learnable_masks_count_as_the_somas_do() -> None:
    layers = [MaskedGroupedConv2d(4, 6, 3, bias=False, groups=2) for _ in range(2)]
    with torch.no_grad():
        layers[0].mask[:4] = 0
        layers[1].mask[:3] = 0
    [layer] = facts(
        {f"conv.{name}": tensor for name, tensor in layers[0].state_dict().items()},
        conv=dendrites(layers[1].state_dict(), channels=6),
    )
    assert (layer.masked, layer.zeros, layer.zero_units) == (7 * 18, 7 * 18, 3)
    assert layer.note.startswith("its learnable mask keeps filters above 0.5; 3 zero filters may leave")


@pytest.mark.parametrize(
    ("kernel", "kind", "one"), [((), "linear", 3), ((3, 3), "conv2d", 3), ((1,), "conv1d", 3)]
)
def test_hidden_groups_are_found_wherever_training_scattered_them(
    kernel: tuple[int, ...], kind: str, one: int
) -> None:
    weight = torch.block_diag(torch.ones(4, 2), torch.ones(2, 5), torch.ones(3, 3))
    weight = weight[torch.randperm(9)][:, torch.randperm(10)].reshape(9, 10, *[1] * len(kernel))
    [layer] = facts({"layer.weight": weight.expand(9, 10, *kernel).clone()})
    assert (layer.kind, layer.groups) == (kind, one)
    assert layer.note == "3 hidden groups stay one layer: they are not yet made grouped"


def test_dead_units_and_unread_inputs_are_no_groups() -> None:
    weight = torch.ones(5, 4)
    weight[2] = 0
    weight[:, [0, 3]] = 0
    [layer] = facts({"layer.weight": weight})
    assert (layer.groups, layer.zero_units) == (1, 1)
    assert layer.note == "1 zero unit may leave; nothing reads 2 inputs: what makes them may leave"


def test_a_chain_of_links_is_one_group() -> None:
    weight = torch.eye(500) + torch.eye(500).roll(1, 1)
    assert facts({"layer.weight": weight})[0].groups == 1
    weight[250] = 0
    weight[0, 1] = 0
    assert facts({"layer.weight": weight})[0].groups == 2


def test_dense_layers_and_norms_have_nothing_to_be_said() -> None:
    state = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Linear(3, 4)).state_dict()
    assert [layer.note for layer in facts(dict(state))] == ["", "", ""]


def test_zeros_of_recurrent_layers_are_told_and_make_no_dead_units_here() -> None:
    state = dict(nn.GRU(4, 4).state_dict())
    state["weight_ih_l0"][:6] = 0
    [layer] = facts({f"gru.{name}": tensor for name, tensor in state.items()})
    assert (layer.zeros, layer.zero_units) == (24, 0)
    assert layer.note == "20% of it are zeros: --arch shows whether units of a recurrent layer may leave"


ODD = {
    "0-d": torch.tensor(0.0),
    "empty": torch.zeros(0),
    "no units": torch.zeros(0, 10**12),
    "no inputs": torch.zeros(10**12, 0),
    "no kernel": torch.zeros(3, 2, 0, 5),
    "complex": torch.zeros(3, 2, dtype=torch.complex64),
    "bool": torch.zeros(3, 2, dtype=torch.bool),
    "int8": torch.zeros(3, 2, dtype=torch.int8),
    "bfloat16": torch.zeros(3, 2, dtype=torch.bfloat16),
    "six dimensions": torch.zeros(2, 2, 2, 2, 2, 2),
    "meta": torch.zeros(3, 2, device="meta"),
    "sparse": torch.zeros(3, 2).to_sparse(),
    "transposed": torch.zeros(2, 3).T,
    "expanded": torch.zeros(1).expand(3, 2),
}


@pytest.mark.parametrize("tensor", ODD.values(), ids=ODD)
@pytest.mark.parametrize("name", ["weight", "bias", "weight_hh_l0", "mask", "threshold", "running_mean"])
def test_odd_tensors_are_described_like_any_other(name: str, tensor: Tensor) -> None:
    beside = {"weight": torch.zeros(3, 2, 1), "mask": torch.zeros(3), "threshold": torch.tensor(0.5)}
    for state in ({name: tensor}, beside | {name: tensor}):
        [layer] = facts({f"layer.{n}": t for n, t in state.items()})
        assert layer.parameters == sum(t.numel() for n, t in state.items() if n not in UNTRAINED)


UNTRAINED = ("threshold", "running_mean")


def test_names_without_a_layer_belong_to_the_network_itself() -> None:
    assert [layer.name for layer in facts(dict(nn.Linear(2, 2).state_dict()))] == [""]


@pytest.mark.parametrize(("threshold", "told"), [(0.0, 0.0), (float("nan"), None), (float("-inf"), None)])
def test_a_threshold_is_told_where_it_is_a_number(threshold: float, told: float | None) -> None:
    state = MaskedGroupedConv2d(4, 6, 3, threshold=threshold).state_dict()
    [layer] = facts({f"conv.{name}": tensor for name, tensor in state.items()})
    assert (layer.kind, layer.threshold) == ("masked conv2d", told)


def test_the_network_tells_what_tensors_do_not(tmp_path: Path) -> None:
    network = nn.Sequential(nn.Embedding(10, 4), nn.Linear(4, 3), nn.ConvTranspose2d(3, 2, 2))
    with torch.no_grad():
        network[0].weight[:5] = 0
        network[2].weight[0] = 0  # what it makes of an input channel, and no filter
    torch.save(network, tmp_path / "net.pt")
    found = load(tmp_path / "net.pt", arch=None).contents.layers
    assert [layer.kind for layer in found] == ["embedding", "linear", "transposed conv2d"]
    assert [layer.zero_units for layer in found] == [0, 0, 0]
    assert not any("may leave" in layer.note for layer in found)
