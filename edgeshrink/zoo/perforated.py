"""Dendrites with PerforatedAI, as its users grow them: perforate, train, add, train on, save.

The library keeps its settings in module globals, writes into the current folder, and talks; a session gives
it a folder of its own and keeps it quiet.
"""

from __future__ import annotations

import contextlib
import io
import os
import warnings
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import nn

from edgeshrink.zoo import training

__all__ = ["grow", "prepare", "save", "session"]


@contextlib.contextmanager
def session(folder: Path) -> Iterator[None]:
    """Let the library work, silently, in a folder of its own."""
    before = Path.cwd()
    os.chdir(folder)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        os.chdir(before)


def prepare(net: nn.Module, *, blocks: list[str], layers: list[str], dendrites: int, name: str) -> nn.Module:
    """Make layers ready for dendrites.

    Args:
        net: The plain network.
        blocks: Children (``nn.Sequential``) that get dendrites as a whole, BatchNorm included.
        layers: Children (single layers) that get dendrites.
        dendrites: How many each of them gets in the end.
        name: Of the library's folder and files.
    """
    from perforatedai import globals_perforatedai as library
    from perforatedai import utils_perforatedai as tools

    for block in blocks:
        setattr(net, block, library.PAISequential(list(net.get_submodule(block).children())))
    settings = library.pc
    settings.set_configuration_confirmed(True)  # else it asks on the terminal
    settings.set_unwrapped_modules_confirmed(True)
    settings.set_testing_dendrite_capacity(False)
    settings.set_device("cpu")
    settings.set_module_names_to_perforate([])
    settings.set_module_ids_to_perforate([f".{child}" for child in (*blocks, *layers)])
    others = [child for child, module in net.named_children() if child not in (*blocks, *layers)]
    settings.set_module_ids_to_track([f".{child}" for child in others])
    settings.set_pai_forward_function(torch.tanh)
    settings.set_max_dendrites(dendrites)
    settings.set_retain_all_dendrites(True)  # else those that do not raise the score at once are taken back
    settings.set_switch_mode(settings.DOING_FIXED_SWITCH)
    prepared: nn.Module = tools.perforate_model(net, save_name=name, making_graphs=False)
    return prepared


def grow(net: nn.Module, data: training.Data, *, first: int, each: int) -> nn.Module:
    """Train, adding a dendrite to every prepared layer after ``first`` epochs and after ``each`` more."""
    from perforatedai import globals_perforatedai as library

    library.pc.set_first_fixed_switch_num(first)
    library.pc.set_fixed_switch_num(each)
    complete = False
    restructured = True
    with training.progress() as bar:
        task = bar.add_task("training and growing", total=first + library.pc.get_max_dendrites() * each)
        while not complete:
            if restructured:
                optimizer = torch.optim.Adam(net.parameters(), lr=training.LEARNING_RATE)
                library.pai_tracker.set_optimizer_instance(optimizer)
            score = training.epoch(net, data, optimizer)
            net, restructured, complete = library.pai_tracker.add_validation_score(score, net)
            bar.advance(task)
    return net


def save(net: nn.Module, name: str) -> None:
    """Save network and training history as ``name/name.pt`` in the session's folder."""
    from perforatedai import utils_perforatedai as tools

    tools.save_system(net, name, name)
