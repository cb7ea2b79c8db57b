"""Structured pruning of dendritic layers with the masks of ``torch.nn.utils.prune``.

A unit of a dendritic layer is dead only if it is so in the soma and in every dendrite, so all of a layer's
branches get the same mask. Masks come after the dendrites: a masked module cannot be copied.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.utils import prune as torch_prune

__all__ = [
    "branches",
    "leave_means",
    "mask",
    "mean_activations",
    "rows",
    "scattered_groups",
    "silence_last_dendrite",
    "strongest_units",
    "without_ring",
]

_TRIES = 500


def branches(layer: nn.Module, kind: type[nn.Module]) -> list[nn.Module]:
    """List the modules that hold a layer's weights: the soma's first, then each dendrite's."""
    dendrites = (
        layer.get_submodule("dendrite_module.layers").children() if hasattr(layer, "dendrite_module") else ()
    )
    inside = [layer.get_submodule("main_module"), *dendrites]
    return [next(module for module in branch.modules() if isinstance(module, kind)) for branch in inside]


def strongest_units(layer: list[nn.Module], keep: int) -> Tensor:
    """Choose the output units with the largest weights, summed over branches; returns sorted indices."""
    strength = sum(_weight(branch).abs().flatten(1).sum(1) for branch in layer)
    return torch.as_tensor(strength).argsort(descending=True)[:keep].sort().values


def rows(branch: nn.Module, alive: Tensor) -> Tensor:
    """Make a mask of the weight's shape that keeps the living output units."""
    kept = torch.zeros_like(_weight(branch))
    kept[alive] = 1
    return kept


def without_ring(branch: nn.Module) -> Tensor:
    """Make a mask of the weight's shape (O, I, H, W) that clears every kernel's outer ring."""
    kept = torch.zeros_like(_weight(branch))
    kept[:, :, 1:-1, 1:-1] = 1
    return kept


def scattered_groups(branch: nn.Module, inputs: Tensor, outputs: Tensor, groups: int, seed: int) -> Tensor:
    """Make a mask that lets the living outputs of one group read the living inputs of that group only.

    Of many random ways to deal channels into groups, the one that keeps the largest weights is taken; what is
    read of dead inputs stays.
    """
    weight = _weight(branch).abs().sum((2, 3))
    generator = torch.Generator().manual_seed(seed)
    candidates = []
    for _ in range(_TRIES):
        kept = torch.ones_like(weight)
        kept[outputs[:, None], inputs] = 0
        dealt_in = inputs[torch.randperm(len(inputs), generator=generator)].chunk(groups)
        dealt_out = outputs[torch.randperm(len(outputs), generator=generator)].chunk(groups)
        for ins, outs in zip(dealt_in, dealt_out, strict=True):
            kept[outs[:, None], ins] = 1
        candidates.append(kept)
    best = max(candidates, key=lambda kept: float((weight * kept).sum()))
    return best[:, :, None, None].expand_as(_weight(branch))


def mask(layer: list[nn.Module], kept: Tensor) -> None:
    """Hang the same mask on every branch's weight: it becomes ``weight_orig`` times ``weight_mask``."""
    for branch in layer:
        torch_prune.custom_from_mask(branch, "weight", kept)  # type: ignore[no-untyped-call]


def mean_activations(net: nn.Module, layers: list[str], x: Tensor) -> dict[str, Tensor]:
    """Measure each layer's mean output per unit, shape (units,), after the ReLU that follows it."""
    means: dict[str, Tensor] = {}
    hooks = [
        net.get_submodule(name).register_forward_hook(
            lambda _module, _inputs, output, name=name: means.update(
                {name: output.relu().transpose(0, 1).flatten(1).mean(1)}
            )
        )
        for name in layers
    ]
    net.eval()
    with torch.no_grad():
        net(x)
    for hook in hooks:
        hook.remove()
    return means


def leave_means(layer: nn.Module, means: Tensor, alive: Tensor) -> None:
    """Set the soma's last bias (a BatchNorm's, where there is one) to ``means`` at every unit not alive."""
    dead = torch.ones(len(means), dtype=torch.bool)
    dead[alive] = False
    bias = [p for name, p in layer.get_submodule("main_module").named_parameters() if name.endswith("bias")][
        -1
    ]
    with torch.no_grad():
        bias[dead] = means[dead]


def silence_last_dendrite(layer: nn.Module) -> None:
    """Set the last dendrite's output weights to zero, and train the layer's output weights no more."""
    top = list(layer.get_submodule("dendrites_to_top").parameters())[-1]
    with torch.no_grad():
        top[-1] = 0
    top.requires_grad_(False)


def _weight(branch: nn.Module) -> Tensor:
    return branch.get_parameter("weight").detach()
