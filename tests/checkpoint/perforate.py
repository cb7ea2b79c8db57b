"""Checkpoints made with the real PerforatedAI library."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from edgeshrink.zoo import perforated


def grown(net: nn.Module, x: Tensor, *, dendrites: int, activation: object, folder: Path) -> nn.Module:
    """Give a network dendrites as the library does, then random mixing weights and statistics."""
    from perforatedai import globals_perforatedai as library
    from perforatedai import utils_perforatedai as tools

    settings = library.pc
    settings.set_configuration_confirmed(True)
    settings.set_unwrapped_modules_confirmed(True)
    settings.set_testing_dendrite_capacity(False)
    settings.set_device("cpu")
    settings.set_module_names_to_perforate(["PAISequential", "Conv2d", "Linear"])
    settings.set_module_ids_to_perforate([])
    settings.set_module_ids_to_track([])
    settings.set_pai_forward_function(activation)
    settings.set_max_dendrites(dendrites)
    settings.set_retain_all_dendrites(True)
    settings.set_switch_mode(settings.DOING_FIXED_SWITCH)
    settings.set_first_fixed_switch_num(1)
    settings.set_fixed_switch_num(1)
    with perforated.session(folder):
        net = tools.perforate_model(net, save_name="PAI", making_graphs=False)
        score, complete = 0.1, False
        while not complete:
            optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
            library.pai_tracker.set_optimizer_instance(optimizer)
            net(x).square().mean().backward()
            optimizer.step()
            score += 0.1
            net, _, complete = library.pai_tracker.add_validation_score(score, net)
    _randomize(net)
    return net.eval()


def save(net: nn.Module, folder: Path, name: str = "mine") -> Path:
    """Save as the library does: PAI/<name>.pt, safetensors in spite of its name."""
    from perforatedai import utils_perforatedai as tools

    with perforated.session(folder):
        tools.save_system(net, "PAI", name)
    return folder / "PAI" / f"{name}.pt"


def _randomize(net: nn.Module) -> None:
    generator = torch.Generator().manual_seed(11)
    with torch.no_grad():
        for name, tensor in net.state_dict().items():
            if "dendrites_to" in name or "running_mean" in name:
                tensor.copy_(torch.randn(tensor.shape, generator=generator))
            elif "running_var" in name:
                tensor.copy_(torch.rand(tensor.shape, generator=generator) + 0.5)
