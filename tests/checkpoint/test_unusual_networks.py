"""Networks as people write them: what they hold apart from parameters keeps its meaning, or is refused."""

from __future__ import annotations

import collections
import functools
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from edgeshrink.checkpoint import load, read
from edgeshrink.checkpoint.network.tensor_names import member_name
from edgeshrink.dendrites import DendriticLayer
from edgeshrink.errors import InputError
from tests.checkpoint import networks

HERE = "tests.checkpoint.test_unusual_networks"


class InList(nn.Module):
    """Reads its parameters from a list."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Parameter(torch.randn(4, 4)), nn.Parameter(torch.randn(4, 4))
        self.weights = [self.first, self.second]

    def forward(self, x: Tensor) -> Tensor:
        for weight in self.weights:
            x = torch.tanh(x @ weight)
        return x


class InPartial(nn.Module):
    """Reads them as the arguments of a function."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(4, 3)
        self.run = functools.partial(F.linear, weight=self.fc.weight, bias=self.fc.bias)

    def forward(self, x: Tensor) -> Tensor:
        return self.run(x)


class InView(nn.Module):
    """Reads them through a view, a buffer that is not saved."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(3, 4))
        self.register_buffer("turned", self.weight.detach().t(), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        return x @ self.turned


class Clipped(InList):
    """Changes a weight as it runs, and reads it from a list."""

    def forward(self, x: Tensor) -> Tensor:
        with torch.no_grad():
            self.first.clamp_(-0.1, 0.1)
        return super().forward(x)


class Mlp(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Linear(4, 4), nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.b(torch.relu(self.a(x)))


class BeforeAssign(Mlp):
    """Its load_state_dict is from before torch 2.1."""

    def load_state_dict(self, state_dict: Any, strict: bool = True) -> Any:
        return super().load_state_dict(state_dict, strict)


class Raising(Mlp):
    def load_state_dict(self, *args: Any, **kwargs: Any) -> Any:
        raise KeyError("epoch")


class Extra(Mlp):
    def get_extra_state(self) -> dict[str, float]:
        return {"scale": 2.0}

    def set_extra_state(self, state: Any) -> None:
        pass


class Lazy(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.LazyLinear(3)


class Shared(nn.Module):
    """A block under two names."""

    def __init__(self) -> None:
        super().__init__()
        self.block = nn.Sequential(nn.Linear(4, 4), nn.ReLU())
        self.again = self.block

    def forward(self, x: Tensor) -> Tensor:
        return self.again(self.block(x))


class Tied(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.early, self.late = nn.Linear(4, 4, bias=False), nn.Linear(4, 4, bias=False)
        self.late.weight = self.early.weight

    def forward(self, x: Tensor) -> Tensor:
        return self.late(torch.relu(self.early(x)))


class WithQueue(Mlp):
    def __init__(self) -> None:
        super().__init__()
        self.last = collections.deque([1, 2], maxlen=2)


def half_mlp() -> nn.Module:
    return Mlp().half()


def row() -> nn.Module:
    return nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 3))


def transformer() -> nn.Module:
    return nn.TransformerEncoderLayer(4, 2, 8, batch_first=True)


def saved(content: object, tmp_path: Path) -> Path:
    torch.save(content, tmp_path / "net.pt")
    return tmp_path / "net.pt"


def perforated(
    net: nn.Module, layers: list[str], channel_dim: int = 1
) -> tuple[nn.Module, dict[str, Tensor]]:
    """Give layers one random dendrite each; the network, and its state as PerforatedAI writes it."""
    state = {}
    for path in layers:
        soma = net.get_submodule(path)
        layer = DendriticLayer(soma, [nn.Linear(soma.in_features, soma.out_features)], soma.out_features)
        layer.channel_dim = channel_dim
        nn.init.normal_(layer.top)
        parent, _, name = path.rpartition(".")
        setattr(net.get_submodule(parent), name, layer)
    inner = {"soma.": "main_module.", "dendrites.": "dendrite_module.layers.", "top": "dendrites_to_top.0"}
    for name, tensor in net.state_dict().items():
        for ours, theirs in inner.items():
            name = name.replace(ours, theirs)
        state[name] = tensor
        if name.endswith("dendrites_to_top.0"):
            path = name.removesuffix("dendrites_to_top.0")
            state[f"{path}this_node_index"] = torch.tensor(channel_dim)
            state[f"{path}dendrite_module.num_cycles"] = torch.tensor([2.0])
    return net.eval(), state


def assert_same(
    network: nn.Module, loaded: nn.Module, *shape: int, dtype: torch.dtype = torch.float32
) -> None:
    x = torch.randn(shape or (5, 4)).to(dtype)
    with torch.no_grad():
        torch.testing.assert_close(loaded(x), network.eval()(x))


@pytest.mark.parametrize("build", [InList, InPartial, InView, Clipped, BeforeAssign, Mlp])
def test_what_reads_a_parameter_by_another_way_reads_the_files(
    tmp_path: Path, build: Callable[[], nn.Module]
) -> None:
    trained = build()
    loaded = load(saved(trained.state_dict(), tmp_path), arch=f"{HERE}:{build.__name__}")
    assert_same(trained, loaded.module)


def test_dendrites_take_their_weights_from_an_old_load_state_dict(tmp_path: Path) -> None:
    net, state = perforated(BeforeAssign(), ["a", "b"])
    loaded = load(saved(state, tmp_path), arch=f"{HERE}:BeforeAssign", dendrite_activation="sigmoid")
    assert_same(net, loaded.module)


@pytest.mark.parametrize(
    ("build", "told"),
    [
        ("Raising", r"load_state_dict raised KeyError: 'epoch'"),
        ("Extra", r"keeps a dict as state \(get_extra_state\)"),
        ("Lazy", r"layer fc of .* is lazy \(LazyLinear\)"),
    ],
)
def test_what_no_file_of_tensors_fills_is_refused(tmp_path: Path, build: str, told: str) -> None:
    with pytest.raises(InputError, match=told):
        load(saved(Mlp().state_dict(), tmp_path), arch=f"{HERE}:{build}")


def test_state_that_is_no_tensor_comes_with_a_whole_network(tmp_path: Path) -> None:
    net = Extra()
    assert_same(net, load(saved(net, tmp_path), arch=HERE).module)


def test_dendrites_in_a_transformer_layer_are_computed_without_gradients_too(tmp_path: Path) -> None:
    _, state = perforated(transformer(), ["linear1", "linear2"], channel_dim=2)
    path = saved(state, tmp_path)
    loaded = load(path, arch=f"{HERE}:transformer", dendrite_activation="sigmoid")
    x = torch.randn(2, 5, 4)
    with torch.no_grad():
        without = loaded.module(x)
    torch.testing.assert_close(without, loaded.module(x))
    assert any("dendrites of linear1, linear2 are computed here" in w for w in loaded.contents.warnings)


def test_dendrites_have_the_precision_of_their_layer(tmp_path: Path) -> None:
    net, state = perforated(Mlp(), ["a", "b"])
    path = saved({name: t.half() if t.is_floating_point() else t for name, t in state.items()}, tmp_path)
    loaded = load(path, arch=f"{HERE}:half_mlp", dendrite_activation="sigmoid")
    assert_same(net.half(), loaded.module, 5, 4, dtype=torch.float16)


def test_a_dendritic_layer_in_a_block_of_two_names_is_one(tmp_path: Path) -> None:
    net, state = perforated(Shared(), ["block.0"])
    assert "again.0.main_module.weight" in state
    loaded = load(saved(state, tmp_path), arch=f"{HERE}:Shared", dendrite_activation="sigmoid")
    assert_same(net, loaded.module)
    assert loaded.module.get_submodule("again.0") is loaded.module.get_submodule("block.0")


def test_a_trainers_word_before_the_members_of_a_sequential_comes_off(tmp_path: Path) -> None:
    net, state = perforated(row(), ["0", "2"])
    path = saved({"state_dict": {f"model.{name}": tensor for name, tensor in state.items()}}, tmp_path)
    assert_same(net, load(path, arch=f"{HERE}:row", dendrite_activation="sigmoid").module)


def test_blocks_inside_blocks_are_named_at_every_depth() -> None:
    net = nn.ModuleDict({"body": nn.Sequential(nn.Sequential(nn.Linear(1, 1)), nn.ReLU())})
    assert member_name("body.model.0.model.0.weight", net) == "body.0.0.weight"
    assert member_name("body.0.0.weight", net) == "body.0.0.weight"
    assert member_name("body.model.7.weight", net) == "body.model.7.weight"


def test_a_name_of_a_hundred_thousand_words_is_looked_at_once() -> None:
    begin = time.perf_counter()
    member_name("model.0." * 50_000 + "weight", row())
    assert time.perf_counter() - begin < 1


def test_an_averaged_models_weights_lose_its_wrapper(tmp_path: Path) -> None:
    net = Mlp()
    loaded = load(saved(AveragedModel(net).state_dict(), tmp_path), arch=f"{HERE}:Mlp")
    assert_same(net, loaded.module)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ({"state_dict": "net", "state_dict_ema": "other"}, "'state_dict' was read, 'state_dict_ema' not"),
        ({"net": "net", "discriminator": "other", "epoch": 3}, "'net' was read, 'discriminator' not"),
        ({"generator": "net", "step": torch.tensor(5)}, "loose tensors, .* 'generator' beside them"),
    ],
)
def test_networks_beside_the_one_that_is_read_are_told(
    tmp_path: Path, content: dict[str, Any], told: str
) -> None:
    states = {"net": Mlp().state_dict(), "other": Mlp().state_dict()}
    found = {key: states.get(part, part) if isinstance(part, str) else part for key, part in content.items()}
    (warning,) = read(saved(found, tmp_path)).warnings
    assert re.search(told, warning)


def test_one_network_under_two_keys_is_one(tmp_path: Path) -> None:
    state = Mlp().state_dict()
    assert not read(saved({"model": state, "best": state, "optimizer": {"state": {}}}, tmp_path)).warnings


@pytest.mark.parametrize("name", ["early.weight", "late.weight"])
def test_a_mask_holds_for_all_names_of_its_tensor(tmp_path: Path, name: str) -> None:
    net = Tied()
    path = saved(net.state_dict(), tmp_path)
    mask = (torch.arange(16).reshape(4, 4) % 3 > 0).float()
    torch.save({name: mask}, tmp_path / "masks.pt")
    loaded = load(path, arch=f"{HERE}:Tied", masks=tmp_path / "masks.pt")
    with torch.no_grad():
        net.early.weight.mul_(mask)
    assert_same(net, loaded.module)


def test_a_queue_keeps_its_length(tmp_path: Path) -> None:
    loaded = load(saved(WithQueue(), tmp_path), arch=HERE)
    assert loaded.module.last == collections.deque([1, 2], maxlen=2)
    assert loaded.module.last.maxlen == 2


def test_tensors_by_the_ten_thousand_are_refused(tmp_path: Path) -> None:
    tensor = torch.zeros(1)
    path = saved({f"layers.{index}.weight": tensor for index in range(50_001)}, tmp_path)
    with pytest.raises(InputError, match="50,001 tensors"):
        read(path)


def test_a_part_that_was_compiled_by_itself_is_found(tmp_path: Path) -> None:
    state = {name.replace("fc1.", "fc1._orig_mod."): t for name, t in networks.Mlp().state_dict().items()}
    torch.save(state, tmp_path / "net.pt")
    loaded = load(tmp_path / "net.pt", arch="tests.checkpoint.networks:Mlp").module
    assert torch.equal(loaded.get_parameter("fc1.weight"), state["fc1._orig_mod.weight"])


def test_a_layer_with_two_names_and_dendrites_under_one_is_told(tmp_path: Path) -> None:
    (tmp_path / "aliased.py").write_text(
        "from torch import nn\n"
        "class Net(nn.Module):\n"
        "    def __init__(self):\n"
        "        super().__init__()\n"
        "        self.a = nn.Linear(3, 3)\n"
        "        self.seq = nn.Sequential(self.a)\n"
        "    def forward(self, x):\n"
        "        return self.seq(self.a(x))\n"
    )
    state = {
        "a.main_module.weight": torch.ones(3, 3),
        "a.main_module.bias": torch.ones(3),
        "a.dendrite_module.layers.0.weight": torch.ones(3, 3),
        "a.dendrite_module.layers.0.bias": torch.ones(3),
        "a.dendrite_module.num_cycles": torch.ones(1),
        "a.dendrites_to_top.0": torch.ones(1, 3),
        "seq.0.weight": torch.ones(3, 3),
        "seq.0.bias": torch.ones(3),
    }
    torch.save(state, tmp_path / "net.pt")
    arch = f"{tmp_path / 'aliased.py'}:Net"
    warnings = load(tmp_path / "net.pt", arch=arch, dendrite_activation="tanh").contents.warnings
    assert any("a (also seq.0)" in warning for warning in warnings)
