"""Take off the masks that a factory's network still carries: the file's weights have them multiplied in."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from edgeshrink.checkpoint.network.tensor_names import member_name
from edgeshrink.errors import InputError

if TYPE_CHECKING:
    from torch import Tensor, nn
    from torch.nn.utils.parametrize import ParametrizationList

    from edgeshrink.checkpoint.layouts.arranged import Arranged

__all__ = ["take_off_masks"]


def take_off_masks(network: nn.Module, arranged: Arranged, bare: Collection[str], origin: str) -> None:
    """Make parameters that the file gives under their plain names plain in the network, too.

    Hooks of torch.nn.utils.prune go, and so does any parametrization: its result is what the file holds.
    Where the file has the parametrization's own tensors, the network keeps it.

    Args:
        network: The network; changed in place.
        arranged: The file's tensors, masks multiplied in.
        bare: Names in the file of parameters that are a parametrization's input, and not its result.
        origin: What the network came from, for the message.

    Raises:
        InputError: A parametrization with a mask does something else with it than multiply.
    """
    from torch.nn.utils import parametrize, prune

    given = {
        member_name(name, network) for name in arranged.plain if arranged.source.get(name, name) not in bare
    }
    # Not a walk over distinct modules: of an aliased one the file may use any name.
    for path, module in list(network.named_modules(remove_duplicate=False)):
        prefix = f"{path}." if path else ""
        for hook in list(module._forward_pre_hooks.values()):
            if isinstance(hook, prune.BasePruningMethod) and prefix + hook._tensor_name in given:
                prune.remove(module, hook._tensor_name)  # type: ignore[no-untyped-call]
        for parameter in _parametrized(module):
            name = prefix + parameter
            if name not in given:
                continue
            found = _parametrizations(module, parameter)
            if _has_mask(found) and not _multiplies(found):
                raise InputError(
                    f"the network of {origin} has a parametrization with a mask on {name} that is no product "
                    "with it, and the file's weights and masks are taken for products",
                    "Save the state_dict after torch.nn.utils.parametrize.remove_parametrizations on the "
                    "trained network.",
                )
            parametrize.remove_parametrizations(module, parameter, leave_parametrized=not found.is_tensor)


def _parametrized(module: nn.Module) -> list[str]:
    from torch.nn.utils import parametrize

    return list(module.parametrizations) if parametrize.is_parametrized(module) else []  # type: ignore[arg-type]


def _parametrizations(module: nn.Module, parameter: str) -> ParametrizationList:
    return module.parametrizations[parameter]  # type: ignore[index, return-value]


def _has_mask(found: ParametrizationList) -> bool:
    import torch

    return any(isinstance(getattr(one, "mask", None), torch.Tensor) for one in found)


def _multiplies(found: ParametrizationList) -> bool:
    """Try out whether a parametrization is the product with its mask, on a mask made up for it."""
    import torch

    mask: Tensor = found[0].mask  # type: ignore[assignment]
    weight = torch.linspace(1, 2, mask.numel()).reshape(mask.shape)
    pattern = (torch.arange(mask.numel()) % 2).reshape(mask.shape)
    with torch.no_grad():
        mask.copy_(pattern)  # it leaves with its parametrization
        try:
            return len(found) == 1 and torch.equal(found[0](weight), weight * pattern)
        except Exception:  # the user's code may raise anything
            return False
