"""Checkpoints made with the real PerforatedAI library."""

from __future__ import annotations

import contextlib
import io
import sys
import types
from collections.abc import Callable
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from edgeshrink.zoo import perforated

LAYERS = ("PAISequential", "Conv1d", "Conv2d", "Linear", "GRU", "LSTM", "LSTMCell")


def grown(net: nn.Module, x: Tensor, *, dendrites: int, activation: object, folder: Path) -> nn.Module:
    """Give a network dendrites as the library does, then random mixing weights and statistics."""
    from perforatedai import globals_perforatedai as library

    library.pc.set_max_dendrites(dendrites)
    with perforated.session(folder):
        net = perforate(net, activation)
        score, complete = 0.1, dendrites == 0
        while not complete:
            optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
            library.pai_tracker.set_optimizer_instance(optimizer)
            net(x).square().mean().backward()
            optimizer.step()
            score += 0.1
            net, _, complete = library.pai_tracker.add_validation_score(score, net)
    _randomize(net)
    return net.eval()


def perforate(net: nn.Module, activation: object) -> nn.Module:
    """Make every layer ready for dendrites, in the library's current folder."""
    from perforatedai import globals_perforatedai as library
    from perforatedai import utils_perforatedai as tools

    settings = library.pc
    settings.set_configuration_confirmed(True)
    settings.set_unwrapped_modules_confirmed(True)
    settings.set_testing_dendrite_capacity(False)
    settings.set_device("cpu")
    settings.set_module_names_to_perforate(list(LAYERS))
    settings.set_module_ids_to_perforate([])
    settings.set_module_ids_to_track([])
    settings.set_modules_with_processing([nn.GRU, nn.LSTM, nn.LSTMCell])
    processors = _processors()
    settings.set_modules_processing_classes(
        [processors.MultiOutputProcessor, processors.LSTMProcessor, processors.LSTMCellProcessor]
    )
    settings.set_pai_forward_function(activation)
    settings.set_retain_all_dendrites(True)
    settings.set_switch_mode(settings.DOING_FIXED_SWITCH)
    settings.set_first_fixed_switch_num(1)
    settings.set_fixed_switch_num(1)
    time_first, cells = getattr(net, "time_first", ()), getattr(net, "cells", ())
    prepared: nn.Module = tools.perforate_model(net, save_name="PAI", making_graphs=False)
    for name in time_first:
        prepared.get_submodule(name).set_this_output_dimensions([-1, -1, 0])
    for name in cells:
        prepared.get_submodule(name).set_this_output_dimensions([-1, 0])
    return prepared


def one_more(net: nn.Module, layer: str, *, half_way: bool = False) -> None:
    """Give one layer another dendrite; half way, it is still a candidate (the library's "p" mode)."""
    module = net.get_submodule(layer)
    with contextlib.redirect_stdout(io.StringIO()):
        module.create_new_dendrite_module()
        module.set_mode("p")
        if not half_way:
            module.set_mode("n")
    _randomize(net)
    net.eval()


def save(net: nn.Module, folder: Path, name: str = "mine") -> Path:
    """Save as the library does: PAI/<name>.pt, safetensors in spite of its name."""
    from perforatedai import utils_perforatedai as tools

    with perforated.session(folder):
        tools.save_system(net, "PAI", name)
    return folder / "PAI" / f"{name}.pt"


def save_inference(net: nn.Module, folder: Path, name: str = "mine") -> Path:
    """Save the library's inference form: PAI/<name>_pai.pt."""
    from perforatedai import utils_perforatedai as tools

    with perforated.session(folder):
        tools.save_pai_net(net, "PAI", name)
    return folder / "PAI" / f"{name}_pai.pt"


def save_state(net: nn.Module, folder: Path) -> Path:
    torch.save(net.state_dict(), folder / "state.pth")
    return folder / "state.pth"


def save_wrapped(net: nn.Module, folder: Path) -> Path:
    torch.save({"epoch": 3, "model_state_dict": net.state_dict(), "loss": 0.1}, folder / "wrapped.pt")
    return folder / "wrapped.pt"


def save_parallel(net: nn.Module, folder: Path) -> Path:
    torch.save(nn.DataParallel(net).state_dict(), folder / "parallel.pt")
    return folder / "parallel.pt"


def save_lightning(net: nn.Module, folder: Path) -> Path:
    state = {f"model.{name}": tensor for name, tensor in net.state_dict().items()}
    torch.save({"state_dict": state, "pytorch-lightning_version": "2.5"}, folder / "last.ckpt")
    return folder / "last.ckpt"


WAYS: dict[str, Callable[[nn.Module, Path], Path]] = {
    "save_system": save,
    "save_pai_net": save_inference,
    "state_dict": save_state,
    "wrapped": save_wrapped,
    "DataParallel": save_parallel,
    "Lightning": save_lightning,
}


def tensors_of(file: Path) -> dict[str, Tensor]:
    return load_file(file)


def _randomize(net: nn.Module) -> None:
    generator = torch.Generator().manual_seed(11)
    with torch.no_grad():
        for name, tensor in net.state_dict().items():
            if "dendrites_to" in name or "running_mean" in name:
                tensor.copy_(torch.randn(tensor.shape, generator=generator))
            elif "running_var" in name:
                tensor.copy_(torch.rand(tensor.shape, generator=generator) + 0.5)


def _processors() -> types.ModuleType:
    """The library's processors of recurrent layers; its file imports torchvision for something else."""
    names = ("torchvision", "torchvision.models", "torchvision.models.resnet")
    stubs = {name: types.ModuleType(name) for name in names if name not in sys.modules}
    for name, stub in stubs.items():
        sys.modules[name] = stub
        parent, _, child = name.rpartition(".")
        if parent:
            setattr(sys.modules[parent], child, stub)
    if stubs:
        sys.modules["torchvision.models.resnet"].ResNet = nn.Module
    try:
        from perforatedai import library_perforatedai
    finally:
        for name in stubs:
            del sys.modules[name]
    return library_perforatedai
