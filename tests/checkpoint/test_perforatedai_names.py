"""Names over the library's generations and under wrappers, and tensors that have several."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file, save_model
from torch import Tensor, nn

from edgeshrink.checkpoint import load, read
from edgeshrink.checkpoint.layouts.perforatedai_training import PerforatedAITraining
from edgeshrink.errors import InputError
from tests.checkpoint.networks import Mlp, TiedNet, input_for
from tests.checkpoint.perforate import grown, one_more, save, tensors_of

MLP = "tests.checkpoint.networks:Mlp"


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[nn.Module, Path]:
    """An MLP with three tanh dendrites a layer, and a candidate for a fourth on the first."""
    folder = tmp_path_factory.mktemp("trained")
    net = grown(Mlp(), input_for(Mlp()), dendrites=3, activation=torch.tanh, folder=folder)
    one_more(net, "fc1", half_way=True)
    return net, save(net, folder)


def largest_difference(ours: nn.Module, theirs: nn.Module) -> float:
    x = input_for(Mlp())
    with torch.no_grad():
        return float((ours(x) - theirs(x)).abs().max())


def stored(tensors: dict[str, Tensor], folder: Path) -> Path:
    torch.save(tensors, folder / "net.pt")
    return folder / "net.pt"


def renamed(net: nn.Module, *rules: tuple[str, str]) -> dict[str, Tensor]:
    state = dict(net.state_dict())
    for pattern, replacement in rules:
        state = {re.sub(pattern, replacement, name): tensor for name, tensor in state.items()}
    return state


GENERATIONS = {
    "3.0": (
        (r"dendrites_to_dendrites", "dendrite_to_dendrite"),
        (r"candidate_module", "candidate_layer"),
        (r"output_dimensions", "input_dimensions"),
    ),
    "early open source": ((r"output_dimensions", "input_dimensions"),),
    "3.2": (),
}


@pytest.mark.parametrize("generation", GENERATIONS)
def test_every_generation_of_names_means_the_same(
    trained: tuple[nn.Module, Path], tmp_path: Path, generation: str
) -> None:
    theirs, file = trained
    older = renamed(theirs, *GENERATIONS[generation])
    loaded = load(stored(older, tmp_path), arch=MLP, dendrite_activation="tanh")
    assert largest_difference(loaded.module, theirs) <= 1e-6
    assert loaded.contents.dropped == read(file).dropped


def test_what_the_paid_backend_adds_is_dropped_and_counted(
    trained: tuple[nn.Module, Path], tmp_path: Path
) -> None:
    state = dict(trained[0].state_dict())
    state["fc1.dendrite_module.dendrite_values.0.top_dendrite_candidate_averages"] = torch.ones(7)
    state["fc1.dendrite_module.dendrite_values.1.normal_pass_average_d"] = torch.ones(7)
    state["fc1.dendrite_module.dendrite_outs_cache"] = torch.ones(7)
    loaded = load(stored(state, tmp_path), arch=MLP, dendrite_activation="tanh")
    assert largest_difference(loaded.module, trained[0]) <= 1e-6
    before = read(trained[1]).dropped["dendrite statistics"]
    assert loaded.contents.dropped["dendrite statistics"] == before + 3


def test_a_networks_own_names_are_no_scaffolding() -> None:
    own = ("attention.k_cache", "counter.num_cycles", "head.module_id", "early.this_output_dimensions")
    inside = ("fc.main_module.k_cache", "fc.dendrite_module.layers.0.k_cache")
    wiring = {"fc.dendrite_module.num_cycles": torch.ones(1), "fc.dendrites_to_top.0": torch.ones(1, 2)}
    tensors = {name: torch.ones(2) for name in (*own, *inside)} | wiring
    arranged = PerforatedAITraining().arrange(tensors)
    assert set(arranged.plain) == {*own, "fc.k_cache"}
    assert set(arranged.dendrites["fc"].branches[0]) == {"k_cache"}


def test_tensors_that_would_take_one_place_are_refused() -> None:
    tensors = {
        "fc.dendrite_module.num_cycles": torch.ones(1),
        "bn.main_module.weight": torch.ones(2),
        "bn.weight": torch.zeros(2),
    }
    with pytest.raises(InputError, match=r"bn.main_module.weight and bn.weight .* both .* bn.weight"):
        PerforatedAITraining().arrange(tensors)


@pytest.mark.parametrize("dendrites", [0, 2])
def test_the_library_of_2024_is_refused_with_the_reason(tmp_path: Path, dendrites: int) -> None:
    state = {"conv.mainModule.weight": torch.ones(4, 1, 3, 3), "conv.newestPBtoTop": torch.ones(2, 4)}
    state |= {f"conv.pb.layers.{i}.weight": torch.ones(4, 1, 3, 3) for i in range(dendrites)}
    with pytest.raises(InputError, match=r"of 2024 \(conv.mainModule.weight\)") as caught:
        read(stored(state, tmp_path))
    assert "newest output weights alone" in caught.value.message
    assert "ONNX" in caught.value.hint


@pytest.mark.parametrize(
    "prefix", ["module.", "_orig_mod.", "model.", "net.", "network.", "model.module.", "model._orig_mod."]
)
def test_the_words_that_wrappers_leave_come_off(
    trained: tuple[nn.Module, Path], tmp_path: Path, prefix: str
) -> None:
    state = {prefix + name: tensor for name, tensor in trained[0].state_dict().items()}
    loaded = load(stored(state, tmp_path), arch=MLP, dendrite_activation="tanh")
    assert largest_difference(loaded.module, trained[0]) <= 1e-6
    assert [layer.name for layer in loaded.contents.layers] == ["fc1", "fc2"]


@pytest.mark.parametrize("child", ["model", "net", "module", "_orig_mod", "backbone"])
@pytest.mark.parametrize("wrapper", ["", "module.", "model."])
def test_a_network_with_one_child_keeps_its_name(
    trained: tuple[nn.Module, Path], tmp_path: Path, child: str, wrapper: str
) -> None:
    (tmp_path / "held.py").write_text(
        "from torch import nn\n"
        "from tests.checkpoint.networks import Mlp\n"
        "class Holder(nn.Module):\n"
        "    def __init__(self):\n"
        "        super().__init__()\n"
        f"        self.{child} = Mlp()\n"
        f"    def forward(self, x): return self.{child}(x)\n"
    )
    state = {f"{wrapper}{child}.{name}": tensor for name, tensor in trained[0].state_dict().items()}
    loaded = load(stored(state, tmp_path), arch=f"{tmp_path}/held.py:Holder", dendrite_activation="tanh")
    assert largest_difference(loaded.module, trained[0]) <= 1e-6
    assert [layer.name for layer in loaded.contents.layers] == [f"{child}.fc1", f"{child}.fc2"]


def test_a_word_that_one_name_lacks_stays(tmp_path: Path) -> None:
    state = {f"model.{name}": tensor for name, tensor in Mlp().state_dict().items()}
    with pytest.raises(InputError, match="does not fit") as caught:
        load(stored(state | {"criterion.weight": torch.ones(3)}, tmp_path), arch=MLP)
    assert "model.fc1" in caught.value.message


def tied(tensors: dict[str, Tensor], metadata: dict[str, str], folder: Path) -> Path:
    save_file(tensors, folder / "net.safetensors", metadata=metadata)
    return folder / "net.safetensors"


TIED = "tests.checkpoint.networks:TiedNet"
KEPT = ("early.weight", "early.bias", "later.bias", "head.weight", "head.bias")
DROPPED = {"later.weight": "early.weight", "reused.weight": "early.weight", "reused.bias": "early.bias"}


def kept(net: nn.Module) -> dict[str, Tensor]:
    return {name: net.state_dict()[name] for name in KEPT}


def test_names_that_safetensors_dropped_are_filled_in(tmp_path: Path) -> None:
    theirs = TiedNet().eval()
    save_model(theirs, str(tmp_path / "net.safetensors"))
    assert len(tensors_of(tmp_path / "net.safetensors")) < len(theirs.state_dict())
    loaded = load(tmp_path / "net.safetensors", arch=TIED)
    assert largest_difference(loaded.module, theirs) == 0
    assert loaded.contents.warnings == ()


@pytest.mark.parametrize("write", [dict, lambda names: {"weight_tying": json.dumps(names)}])
def test_both_ways_to_write_the_dropped_names_are_read(
    tmp_path: Path, write: Callable[[dict[str, str]], dict[str, str]]
) -> None:
    theirs = TiedNet().eval()
    file = tied(kept(theirs), write(DROPPED) | {"format": "pt", "author": "someone"}, tmp_path)
    loaded = load(file, arch=TIED)
    assert largest_difference(loaded.module, theirs) == 0
    assert loaded.contents.warnings == ()


@pytest.mark.parametrize(
    ("tying", "warns"),
    [
        ("{", False),
        ("[" * 100_000, False),
        ("[1]", False),
        ("null", False),
        ('{"a": 3, "b": ["head.bias"]}', False),
        ('{"head.bias": "early.bias"}', False),  # a stored tensor's name is its own
        ('{"a": "a"}', True),
        ('{"a": "b", "b": "a"}', True),
        ('{"a": "b", "b": "head.bias"}', True),
        ('{"a": "nowhere"}', True),
        (json.dumps({"a" * 100_000: "nowhere"}), True),
    ],
)
def test_metadata_that_lies_adds_nothing_to_the_stored_tensors_but_names(
    tmp_path: Path, tying: str, warns: bool
) -> None:
    theirs = TiedNet().eval()
    contents = read(tied(kept(theirs), {"weight_tying": tying}, tmp_path))
    assert set(KEPT) <= set(contents.tensors) <= {*KEPT, "b"}
    assert torch.equal(contents.tensors["head.bias"], theirs.head.bias)
    assert ["to tensors that it does not hold" in warning for warning in contents.warnings] == [True] * warns
    assert all(len(warning) < 300 for warning in contents.warnings)


def test_a_name_tied_many_times_takes_no_memory_of_its_own(tmp_path: Path) -> None:
    names = {f"copy{i}": "big" for i in range(1000)}
    file = tied({"big": torch.zeros(1_000_000)}, {"weight_tying": json.dumps(names)}, tmp_path)
    with pytest.raises(InputError, match="many share the same bytes"):
        read(file)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"fc1.this_node_index": torch.tensor(0)}, "is 0, but 1 by the shape beside it"),
        ({"fc1.this_node_index": torch.tensor(-9)}, "the channel dimension is -9"),
        ({"fc1.this_node_index": torch.tensor(2**62)}, f"the channel dimension is {2**62}"),
        ({"fc1.this_node_index": torch.tensor([])}, "the channel dimension is no integer"),
        ({"fc1.dendrites_to_top.2": torch.ones(3, 0)}, "the output weights have shape (3, 0)"),
        ({"fc1.dendrites_to_top.2": torch.ones(3)}, "the output weights have shape (3,)"),
        (
            {"fc2.dendrites_to_top.2": torch.ones(3, 2)} | {
                f"fc2.dendrite_module.dendrites_to_dendrites.{i}": torch.ones(i, 2) for i in (1, 2)
            },
            "it has 2 output weights a dendrite, and 3 biases",
        ),
        ({f"fc1.dendrite_module.layers.{'7' * 5000}.weight": torch.ones(1)}, "a number of 5000 digits"),
        ({f"fc1.dendrites_to_top.{'7' * 5000}": torch.ones(1)}, "a number of 5000 digits"),
        ({"fc1.dendrite_module.layers.999999.weight": torch.ones(1)}, "are numbered [0, 1, 2, 999999]"),
    ],
)  # fmt: skip
def test_damage_is_named_when_the_file_is_read(
    trained: tuple[nn.Module, Path], tmp_path: Path, change: dict[str, Tensor], told: str
) -> None:
    with pytest.raises(InputError) as caught:
        read(stored(dict(trained[0].state_dict()) | change, tmp_path))
    assert told in caught.value.message


@pytest.mark.parametrize("shape", [(7, 1), (), (7, 6, 1), (0,)])
def test_a_tensor_of_other_dimensions_than_the_networks_is_a_misfit(
    tmp_path: Path, shape: tuple[int, ...]
) -> None:
    for name in ("fc1.bias", "fc1.weight"):
        state = Mlp().state_dict() | {name: torch.ones(shape)}
        with pytest.raises(InputError, match="does not fit"):
            load(stored(state, tmp_path), arch=MLP)


@pytest.mark.parametrize("digits", ["7" * 5000, "²", "٣" * 5000])
def test_numbers_in_any_name_may_be_too_long_to_read(tmp_path: Path, digits: str) -> None:
    names = [f"net.{digits}.weight", f"block.model.{digits}.bias", f"x.layer_array.{digits}.weight"]
    file = tied({name: torch.ones(2) for name in names}, {}, tmp_path)
    assert set(read(file).tensors) == set(names)
    with pytest.raises(InputError, match="does not fit"):
        load(file, arch=MLP)


def test_layers_in_a_safetensors_file_come_by_number(tmp_path: Path) -> None:
    names = [f"net.{i}.weight" for i in (0, 1, 2, 9, 10, 11, 100)]
    file = tied({name: torch.ones(2) for name in reversed(names)}, {}, tmp_path)
    assert list(read(file).tensors) == names


def test_layers_by_the_ten_thousand_are_each_looked_at_once() -> None:
    """Counted, not timed: what is looked at grows with the tensors, not with tensors times layers."""
    looks = 0

    class Name(str):
        __slots__ = ()

        def startswith(self, *args: object) -> bool:
            nonlocal looks
            looks += 1
            return super().startswith(*args)  # type: ignore[arg-type]

    count = 2000
    parts = ("main_module.weight", "this_node_index", "dendrite_module.num_cycles")
    tensors = {Name(f"layers.{i}.{part}"): torch.ones(()) for i in range(count) for part in parts}
    arranged = PerforatedAITraining().arrange(tensors)
    assert len(arranged.plain) == count
    assert looks <= 2 * len(tensors)
