"""Names of tensors: which layer each belongs to, and what a network calls what the file calls otherwise."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import nn

__all__ = ["layer_finder", "member_name", "module_of", "network_name"]

_INDEX = re.compile(r"[0-9]{1,9}$")


def network_name(name: str, network: nn.Module) -> str:
    """Name a tensor as the network's state_dict does.

    ``block.model.0.weight`` of a PAISequential is ``block.0.weight``; a parameter that a parametrization
    of the network computes from one tensor is ``fc.parametrizations.weight.original``.
    """
    from torch.nn.utils import parametrize

    name = member_name(name, network)
    layer, _, parameter = name.rpartition(".")
    try:
        owner = network.get_submodule(layer)
    except AttributeError:
        return name
    if not parametrize.is_parametrized(owner, parameter):
        return name
    inner = f"parametrizations.{parameter}.original"
    return f"{layer}.{inner}" if layer else inner


def member_name(name: str, network: nn.Module) -> str:
    """Name a tensor by its module in the network: ``block.model.0.weight`` is ``block.0.weight``.

    Where the network has a ``torch.nn.Sequential`` (with names of its own, perhaps) for the block, the n-th
    member is the n-th member.
    """
    from torch import nn

    parts, done, at = name.split("."), list[str](), 0
    block: nn.Module | None = network
    while at < len(parts) and block is not None:
        members = list(block._modules) if isinstance(block, nn.Sequential) else []
        listed = members and "model" not in members and parts[at] == "model"
        index = parts[at + 1] if listed and at + 1 < len(parts) else ""
        if _INDEX.match(index) and int(index) < len(members):
            done.append(members[int(index)])
            at += 2
        else:
            done.append(parts[at])
            at += 1
        block = block._modules.get(done[-1])
    return ".".join([*done, *parts[at:]])


def module_of(name: str) -> tuple[str, str]:
    """``fc.weight`` -> ("fc", "weight"); what a parametrization stores belongs to its layer."""
    dotted, part, inner = f".{name}".partition(".parametrizations.")
    if part:
        return dotted[1:], f"parametrizations.{inner}"
    module, _, parameter = name.rpartition(".")
    return module, parameter


def layer_finder(paths: Iterable[str]) -> Callable[[str], str | None]:
    """Make the function that finds the layer, of ``paths``, which a tensor's name lies in; None outside all.

    Of layers inside each other the outermost counts. It takes a binary search, so that networks of many
    thousand layers are sorted in time.
    """
    starts: list[str] = []
    for start in sorted(f"{path}." for path in set(paths)):
        if not starts or not start.startswith(starts[-1]):
            starts.append(start)

    def find(name: str) -> str | None:
        at = bisect_right(starts, name) - 1
        return starts[at][:-1] if at >= 0 and name.startswith(starts[at]) else None

    return find
