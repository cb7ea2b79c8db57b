"""PerforatedAI's training form, made by the real library: the loaded network computes what it did there."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from edgeshrink.checkpoint import load, read
from edgeshrink.dendrites import DendriticLayer
from edgeshrink.errors import InputError
from tests.checkpoint.networks import ConvNet, Mlp, input_for
from tests.checkpoint.perforate import grown, save

CONVNET, MLP = "tests.checkpoint.networks:ConvNet", "tests.checkpoint.networks:Mlp"


def blocks() -> type[nn.Module]:
    from perforatedai import globals_perforatedai as library

    return library.PAISequential


def outputs_differ_by(module: nn.Module, theirs: nn.Module, x: Tensor) -> float:
    with torch.no_grad():
        return float((module(x) - theirs(x)).abs().max())


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[nn.Module, Path]:
    """A conv network with two tanh dendrites a layer, and the library's save of it."""
    folder = tmp_path_factory.mktemp("trained")
    net = ConvNet(block=blocks())
    net = grown(net, input_for(net), dendrites=2, activation=torch.tanh, folder=folder)
    return net, save(net, folder)


@pytest.mark.parametrize("dendrites", [1, 2, 3])
@pytest.mark.parametrize("activation", [torch.sigmoid, torch.tanh, torch.relu])
@pytest.mark.parametrize("arch", [CONVNET, MLP])
def test_the_loaded_network_equals_the_librarys(
    tmp_path: Path, arch: str, activation: Callable[[Tensor], Tensor], dendrites: int
) -> None:
    plain = ConvNet(block=blocks()) if arch == CONVNET else Mlp()
    x = input_for(plain)
    theirs = grown(plain, x, dendrites=dendrites, activation=activation, folder=tmp_path)
    loaded = load(save(theirs, tmp_path), arch=arch)
    assert outputs_differ_by(loaded.module, theirs, x) <= 1e-6
    assert {layer.dendrites for layer in loaded.contents.layers if layer.name != "bn"} == {dendrites}
    assert loaded.contents.activation == activation.__name__
    assert loaded.contents.activation_source == "config file PAI_config.json"
    assert loaded.contents.warnings == ()


@pytest.mark.parametrize(
    "wrap", [dict, lambda s: {"epoch": 3, "state_dict": s}, lambda s: {"model_state_dict": s}]
)
@pytest.mark.parametrize("prefix", ["", "module.", "_orig_mod.", "_orig_mod.module."])
def test_wrappers_and_prefixes_come_off(
    trained: tuple[nn.Module, Path], tmp_path: Path, wrap: Callable[[dict[str, Tensor]], object], prefix: str
) -> None:
    theirs, _ = trained
    torch.save(wrap({prefix + name: t for name, t in theirs.state_dict().items()}), tmp_path / "net.bin")
    loaded = load(tmp_path / "net.bin", arch=CONVNET, dendrite_activation="tanh")
    assert outputs_differ_by(loaded.module, theirs, input_for(ConvNet())) <= 1e-6
    assert loaded.contents.format == "PerforatedAI training form (torch zip)"
    assert loaded.contents.activation_source == "flag"


def test_a_factory_that_keeps_paisequential_fits_too(trained: tuple[nn.Module, Path], tmp_path: Path) -> None:
    (tmp_path / "theirs.py").write_text(
        "from perforatedai.globals_perforatedai import PAISequential\n"
        "from tests.checkpoint.networks import ConvNet\n"
        "def network(): return ConvNet(block=PAISequential)\n"
    )
    loaded = load(trained[1], arch=f"{tmp_path / 'theirs.py'}:network")
    assert outputs_differ_by(loaded.module, trained[0], input_for(ConvNet())) <= 1e-6


def test_older_spellings_mean_the_same(trained: tuple[nn.Module, Path], tmp_path: Path) -> None:
    older = {
        name.replace("dendrites_to_dendrites", "dendrite_to_dendrite").replace(
            "output_dim", "input_dim"
        ): tensor
        for name, tensor in trained[0].state_dict().items()
    }
    torch.save(older, tmp_path / "older.pt")
    loaded = load(tmp_path / "older.pt", arch=CONVNET, dendrite_activation="tanh")
    assert outputs_differ_by(loaded.module, trained[0], input_for(ConvNet())) <= 1e-6


def test_what_the_network_does_not_use_is_dropped_and_counted(trained: tuple[nn.Module, Path]) -> None:
    contents = read(trained[1])
    assert contents.dropped == {
        "training history": 1,
        "template copies": 10,
        "dendrite statistics": 18,
        "candidate wiring": 3,
        "bookkeeping": 12,
        "placeholders": 3,
        "stale output weights": 3,
    }
    mixing = {"block": 4 * 3, "conv": 4 * 3, "head": 5 * 3}
    plain = {"block": 36 + 8, "conv": 144 + 4, "head": 320 + 5}
    counted = {layer.name: layer.parameters for layer in contents.layers}
    assert counted == {name: 3 * plain[name] + mixing[name] for name in plain} | {"bn": 8}


def test_the_layers_are_told_without_arch(trained: tuple[nn.Module, Path]) -> None:
    layers = {layer.name: layer for layer in read(trained[1]).layers}
    assert [layers[name].kind for name in ("block", "conv", "bn", "head")] == [
        "conv2d + batch norm",
        "conv2d",
        "batch norm",
        "linear",
    ]
    assert layers["block"].shape == (4, 1, 3, 3)
    assert layers["head"].shape == (5, 64)


def test_with_arch_the_layers_come_in_the_networks_order(trained: tuple[nn.Module, Path]) -> None:
    contents = load(trained[1], arch=CONVNET).contents
    assert [layer.name for layer in contents.layers] == ["block", "conv", "bn", "head"]


def test_a_dendrite_that_nothing_reads_is_dead(trained: tuple[nn.Module, Path], tmp_path: Path) -> None:
    state = {name: tensor.clone() for name, tensor in trained[0].state_dict().items()}
    state["head.dendrites_to_top.1"][1] = 0  # the last: nothing else reads it
    state["conv.dendrites_to_top.1"][0] = 0  # the first: the second still reads it
    state["block.dendrites_to_top.1"][:] = 0  # both: what the second reads no longer matters
    torch.save(state, tmp_path / "net.pt")
    dead = {layer.name: layer.dead_dendrites for layer in read(tmp_path / "net.pt").layers}
    assert dead == {"head": 1, "conv": 0, "block": 2, "bn": 0}


def test_without_config_sigmoid_is_assumed_and_the_consequence_named(
    trained: tuple[nn.Module, Path], tmp_path: Path
) -> None:
    (tmp_path / "net.pt").write_bytes(trained[1].read_bytes())
    loaded = load(tmp_path / "net.pt", arch=CONVNET)
    assert (loaded.contents.activation, loaded.contents.activation_source) == ("sigmoid", "default")
    [warning] = loaded.contents.warnings
    assert "sigmoid is assumed" in warning
    assert "every output is wrong" in warning
    assert "--dendrite-activation" in warning


def test_an_unknown_activation_is_refused(trained: tuple[nn.Module, Path]) -> None:
    with pytest.raises(InputError, match="did you mean 'tanh'"):
        load(trained[1], arch=CONVNET, dendrite_activation="than")


@pytest.mark.parametrize(
    ("lost", "told"),
    [
        ("conv.dendrites_to_top.1", "layer conv: dendrites_to_top.1 is missing for 2 dendrites"),
        ("conv.dendrite_module.dendrites_to_dendrites.1", "layer conv: dendrites_to_dendrites.1 is missing"),
        ("head.dendrite_module.layers.0.", "layer head: dendrites are numbered"),
        ("head.dendrite_module.layers.0.weight", r"head.dendrites.0\b.*weight"),
        ("bn.weight", r"bn\b.*weight 4"),
    ],
)
def test_a_checkpoint_that_lost_tensors_is_refused_by_their_names(
    trained: tuple[nn.Module, Path], tmp_path: Path, lost: str, told: str
) -> None:
    state = {name: t for name, t in trained[0].state_dict().items() if not name.startswith(lost)}
    torch.save(state, tmp_path / "net.pt")
    with pytest.raises(InputError, match=told):
        load(tmp_path / "net.pt", arch=CONVNET, dendrite_activation="tanh")


def test_a_dendritic_layer_that_the_network_lacks_is_named(trained: tuple[nn.Module, Path]) -> None:
    with pytest.raises(
        InputError, match=r"has dendrites on layer block, which the network of .*Mlp lacks"
    ) as caught:
        load(trained[1], arch=MLP)
    assert "torch.nn.Sequential" in caught.value.hint


def test_the_network_traces_to_onnx(trained: tuple[nn.Module, Path]) -> None:
    module = load(trained[1], arch=CONVNET).module
    assert isinstance(module.get_submodule("conv"), DendriticLayer)
    program = torch.export.export(module, (input_for(ConvNet()),))
    assert outputs_differ_by(program.module(), trained[0], input_for(ConvNet())) <= 1e-6
