"""Words before every name: what wrappers leave there, and what the network itself has."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgeshrink.checkpoint.network.tensor_names import network_name

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor, nn

    from edgeshrink.checkpoint.layouts.arranged import Arranged

__all__ = ["match_first_words", "strip_prefix", "strip_prefixes"]

_PREFIXES = ("module.", "_orig_mod.")  # torch.nn.DataParallel, torch.compile
_COMPILED = "._orig_mod"  # after a part that was compiled by itself
_AVERAGED = "n_averaged"  # torch.optim.swa_utils.AveragedModel counts there, beside its ``module.``
_UNPREFIXED = ("tracker_string", _AVERAGED)
_MOST_WORDS = 4  # Lightning's ``model.`` around DataParallel's ``module.`` around a compiled ``_orig_mod.``


def strip_prefixes(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Take off a wrapper's prefix where every name has it."""
    for prefix in (*_PREFIXES, *_PREFIXES):
        names = [name for name in tensors if name not in _UNPREFIXED]
        if names and all(name.startswith(prefix) for name in names):
            tensors = {
                name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name != _AVERAGED
            }
    return tensors


def strip_prefix(name: str) -> str:
    """Take a wrapper's prefix off one name."""
    for prefix in (*_PREFIXES, *_PREFIXES):
        name = name.removeprefix(prefix)
    return name


def match_first_words(arranged: Arranged, network: nn.Module) -> None:
    """Take words that all names begin with off them, or put the network's own before them, where that fits.

    A trainer's module that holds the network as its ``model`` leaves that word before every name; so does a
    network whose only child has that name. The network at hand decides: names that fit it as they are stay.

    Args:
        arranged: The checkpoint's tensors; renamed in place.
        network: The plain network they are for.
    """
    wanted = network.state_dict().keys()
    layers = {path for path, _ in network.named_modules(remove_duplicate=False)}

    def fitting(rename: Callable[[str], str]) -> int:
        plain = sum(network_name(rename(name), network) in wanted for name in arranged.plain)
        return plain + sum(rename(path) in layers for path in arranged.dendrites)

    best, rename = fitting(_without("")), _without("")
    if best == len(arranged.plain) + len(arranged.dendrites):
        return
    if (count := fitting(_without_compiled)) > best:
        best, rename = count, _without_compiled
    names = [*arranged.plain, *(f"{path}." for path in arranged.dendrites)]
    for prefix in _common_words(names):
        if prefix[:-1] in arranged.dendrites or f"{prefix[:-1]}." in names:
            break  # it is the name of a layer, which needs one
        without = _without(prefix)
        if (count := fitting(without)) > best:
            best, rename = count, without
    for prefix in _common_words(list(wanted)):
        within = _within(prefix)
        if (count := fitting(within)) > best:
            best, rename = count, within
    arranged.plain = {rename(name): tensor for name, tensor in arranged.plain.items()}
    arranged.dendrites = {rename(path): dendrites for path, dendrites in arranged.dendrites.items()}
    arranged.source = {rename(name): source for name, source in arranged.source.items()}


def _common_words(names: list[str]) -> list[str]:
    """The first word, the first two words, ... that all names have in common: "model.", "model.module."."""
    found = [""]
    while names and len(found) <= _MOST_WORDS:
        start = len(found[-1])
        longer = names[0][: names[0].find(".", start) + 1]
        if not longer or not all(name.startswith(longer) for name in names):
            break
        found.append(longer)
    return found[1:]


def _without_compiled(name: str) -> str:
    return f"{name}.".replace(f"{_COMPILED}.", ".").removesuffix(".")


def _without(prefix: str) -> Callable[[str], str]:
    return lambda name: name.removeprefix(prefix)


def _within(prefix: str) -> Callable[[str], str]:
    return lambda name: prefix + name
