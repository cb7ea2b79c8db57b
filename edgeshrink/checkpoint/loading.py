"""File + the plain network's factory -> the network with dendrites and weights in place, ready to trace."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgeshrink.checkpoint.containers.stored import Opening, Stored
from edgeshrink.checkpoint.contents import LoadedCheckpoint
from edgeshrink.checkpoint.facts.kinds import kinds_in
from edgeshrink.checkpoint.masks.unmasking import take_off_masks
from edgeshrink.checkpoint.network.factory import CLASSES, FORM, build_network
from edgeshrink.checkpoint.network.fit import require_fit
from edgeshrink.checkpoint.network.growing import grow
from edgeshrink.checkpoint.network.prefixes import match_first_words
from edgeshrink.checkpoint.network.tensor_names import layer_finder, network_name
from edgeshrink.checkpoint.network.unusual import half_grown, passed_by, require_loadable
from edgeshrink.checkpoint.network.weights import put_weights
from edgeshrink.checkpoint.reading import Reading, read_file
from edgeshrink.errors import InputError

if TYPE_CHECKING:
    from torch import Tensor, nn

    from edgeshrink.checkpoint.layouts.arranged import Arranged, Dendrites

    _Places = dict[
        str, tuple[str, Tensor]
    ]  # name in the network -> (name among the arranged tensors, tensor)

__all__ = ["build", "load"]


def load(
    path: Path | str,
    *,
    arch: str | None,
    arch_args: dict[str, Any] | None = None,
    masks: Path | str | None = None,
    dendrite_activation: str | None = None,
    trust_pickle: bool = False,
) -> LoadedCheckpoint:
    """Load a checkpoint into the network it belongs to.

    Args:
        path: The file, of any container and layout.
        arch: ``FILE.py:FACTORY`` or ``pkg.mod:FACTORY``, a callable that returns the plain network: no
            dendrites, and ``torch.nn.Sequential`` where the trained one has a PAISequential. A file that
            holds the network itself needs none; ``FILE.py`` or ``pkg.mod`` then says where its classes are.
        arch_args: Keyword arguments of the factory.
        masks: A sidecar file with masks: parameter name -> 0/1 array.
        dendrite_activation: The dendrites' activation, where neither default nor config file is right.
        trust_pickle: Whether a pickle may run what it imports.

    Raises:
        InputError: The file cannot be read, there is no factory or it fails, or the two do not fit.
    """
    reading = read_file(path, Opening(arch, trust_pickle), masks, dendrite_activation)
    return build(reading, arch=arch, arch_args=arch_args)


def build(reading: Reading, *, arch: str | None, arch_args: dict[str, Any] | None = None) -> LoadedCheckpoint:
    """Build the network a file belongs to, once: its tensors become the network's.

    Args:
        reading: The file, as read.
        arch: As for ``load``, and the same that the file was opened with.
        arch_args: Keyword arguments of the factory.

    Raises:
        InputError: There is no factory or it fails, or the network and the file do not fit.
    """
    contents, arranged, path = reading.contents, reading.arranged, reading.contents.path
    network, origin = _plain_network(reading.stored, path, arch, arch_args)
    if network is not reading.stored.network:
        require_loadable(network, origin)
    match_first_words(arranged, network)
    take_off_masks(network, arranged, reading.bare, origin)
    halves, kinds = half_grown(network, arranged.dendrites), kinds_in(network)
    module = _assemble(network, arranged, contents.activation or "sigmoid", origin, str(path))
    _in_network_order(arranged, module)
    told = [warning for warning in (halves, passed_by(module)) if warning]
    contents = replace(contents, warnings=(*contents.warnings, *told), _kinds=kinds)
    return LoadedCheckpoint(module=module.eval(), contents=contents)


def _plain_network(
    stored: Stored, path: Path | str, arch: str | None, arguments: dict[str, Any] | None
) -> tuple[nn.Module, str]:
    """The network without dendrites, from the factory or else from the file, and where it came from."""
    if arch is not None and ":" in arch:
        return build_network(arch, arguments), f"--arch {arch}"
    if stored.network is not None:
        return stored.network, "the file"
    if stored.network_problem is not None:
        raise InputError(f"{path} holds a network, but {stored.network_problem}", CLASSES)
    if arch is not None:
        raise InputError(
            f"--arch {arch} is not of the form MODULE:FACTORY, and {path} does not hold the network", FORM
        )
    raise InputError(
        f"{path} holds tensors, and not the network they belong to",
        "Add --arch FILE.py:FACTORY (or --arch pkg.mod:FACTORY), a callable that returns the plain "
        "network, without dendrites.",
    )


def _in_network_order(arranged: Arranged, network: nn.Module) -> None:
    """Sort the plain tensors as the network's layers come."""
    order = {name: index for index, (name, _) in enumerate(network.named_modules())}

    def position(name: str) -> int:
        layer = network_name(name, network).rpartition(".")[0]
        while layer and layer not in order:
            layer = layer.rpartition(".")[0]
        return order.get(layer, len(order))

    arranged.plain = dict(sorted(arranged.plain.items(), key=lambda pair: position(pair[0])))


def _assemble(network: nn.Module, arranged: Arranged, activation: str, arch: str, path: str) -> nn.Module:
    """Give the plain network its dendrites, then all weights."""
    given = _plain_places(network, arranged)
    grown: set[int] = set()
    for layer, dendrites in arranged.dendrites.items():
        soma = _find(network, layer, arch, path)
        branches = _names_inside(network, layer, dendrites)
        given |= _dendrite_places(layer, dendrites, branches)
        names = [set(branch) for branch in branches]
        if id(soma) not in grown:  # else it is inside a block that has another name, too
            made = grow(soma, dendrites, names, activation, layer)
            grown.add(id(made))
            network = _replace(network, layer, made)
    require_fit(network, given, arranged.source, arch, path)
    put_weights(network, {name: tensor for name, (_, tensor) in given.items()})
    return network


def _plain_places(network: nn.Module, arranged: Arranged) -> _Places:
    """Where the plain tensors go: ``conv.weight`` of a dendritic layer ``conv`` to ``conv.soma.weight``."""
    dendritic = layer_finder(arranged.dendrites)
    places = {}
    for name, tensor in arranged.plain.items():
        inside = network_name(name, network)
        layer = dendritic(inside)
        place = inside if layer is None else f"{layer}.soma.{inside.removeprefix(f'{layer}.')}"
        places[place] = (name, tensor)
    return places


def _names_inside(network: nn.Module, layer: str, dendrites: Dendrites) -> list[dict[str, str]]:
    """For each dendrite: the network's name of a tensor, within the layer -> the file's."""
    return [
        {network_name(f"{layer}.{name}", network).removeprefix(f"{layer}."): name for name in branch}
        for branch in dendrites.branches
    ]


def _dendrite_places(layer: str, dendrites: Dendrites, branches: list[dict[str, str]]) -> _Places:
    """Where a layer's dendrites and their output weights go."""
    places = {}
    for index, (names, branch) in enumerate(zip(branches, dendrites.branches, strict=True)):
        prefix = f"{layer}.dendrites.{index}."
        for name, stored in names.items():
            places[prefix + name] = (prefix + stored, branch[stored])
    mixing = {f"{layer}.between.{index}": tensor for index, tensor in enumerate(dendrites.between)}
    mixing[f"{layer}.top"] = dendrites.top
    return places | {name: (name, tensor) for name, tensor in mixing.items()}


def _find(network: nn.Module, layer: str, arch: str, path: str) -> nn.Module:
    try:
        return network.get_submodule(layer)
    except AttributeError:
        known = ", ".join(name for name, _ in network.named_children())
        raise InputError(
            f"{path} has dendrites on layer {layer}, which the network of {arch} lacks (it has {known})",
            "Let the factory return the network that was trained, before dendrites were added; where it has "
            "a PAISequential, put torch.nn.Sequential with the same layers under the same name.",
        ) from None


def _replace(network: nn.Module, layer: str, module: nn.Module) -> nn.Module:
    parent, _, name = layer.rpartition(".")
    setattr(network.get_submodule(parent), name, module)
    return network
