"""Why a checkpoint does not fit a network, most likely: guessed from what is missing, left over and such."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING

from edgeshrink.checkpoint.network.misfit import Misfit
from edgeshrink.checkpoint.network.tensor_names import module_of

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["likely_cause"]

_NUMBERED = re.compile(r"^((?:.+?\.)??)(\d+)\.")
_MOST_WORDS = 4
_PREFIXES_TRIED = 8


def likely_cause(misfit: Misfit) -> str:
    """Say why the two differ, and what to do: the first cause whose traces are there."""
    causes = (
        _dendrites,
        _block,
        _masks,
        _prefix,
        _bias,
        _another_network,
        _depth,
        _layers,
        _classes,
        _widths,
    )
    return "Likely cause: " + next(filter(None, (cause(misfit) for cause in causes)))


def _dendrites(misfit: Misfit) -> str:
    """``fc.soma.weight`` or ``fc.main_module.weight`` on one side, ``fc.weight`` on the other."""
    for some, others, text in (
        (
            misfit.missing,
            misfit.unexpected,
            "the factory returns a network with dendrites, and the checkpoint has layer {} without; return "
            "the plain network, the checkpoint says which layers have dendrites.",
        ),
        (
            misfit.unexpected,
            misfit.missing,
            "the checkpoint comes from a network built with dendrites, and the factory's layer {} has none; "
            "let it build the network with the same edgeshrink.dendrites.DendriticLayer.",
        ),
    ):
        for name in some:
            for word in (".soma.", ".main_module."):
                if word in name and name.replace(word, ".") in others:
                    return text.format(name.partition(word)[0])
    return ""


def _block(misfit: Misfit) -> str:
    if not any(re.search(r"\.model\.\d+\.", f".{name}") for name in misfit.unexpected):
        return ""
    if _prefix(misfit):
        return ""
    return (
        "the checkpoint has a PAISequential block there; put torch.nn.Sequential with the same layers, under "
        "the same name, into the network that the factory returns."
    )


def _masks(misfit: Misfit) -> str:
    for name in misfit.unexpected:
        layer, inner = module_of(name)
        if inner.startswith("parametrizations."):
            return (
                f"{layer} was trained under a parametrization that the factory's network lacks; register it "
                "there, or save the state_dict after torch.nn.utils.parametrize.remove_parametrizations."
            )
        if inner in ("mask", "threshold") and {f"{layer}.mask", f"{layer}.threshold"} <= {*misfit.given}:
            return (
                f"{layer} has a learnable mask in the checkpoint, and is a plain layer in the network; build "
                "it with edgeshrink.dendrites.MaskedGroupedConv2d."
            )
        if inner.endswith(("_mask", ".mask")) or inner == "mask":
            return (
                f"{name} is a mask without the parameter that it masks: masks of another network, or saved "
                "alone; give masks that lie beside the checkpoint with --masks."
            )
    for name in misfit.missing:
        layer, inner = module_of(name)
        if inner.startswith("parametrizations.") or inner.endswith(("_mask", "_orig")) or inner == "mask":
            return (
                f"the factory's network has a mask or a parametrization on {layer} of its own, and the "
                "checkpoint none; return the network without it."
            )
    return ""


def _prefix(misfit: Misfit) -> str:
    for some, others, text in (
        (
            misfit.unexpected,
            misfit.missing,
            "names in the checkpoint begin with {!r}, which a wrapper (a Lightning module, say) left there; "
            "save the inner network's state_dict, or let the factory return the wrapper.",
        ),
        (
            misfit.missing,
            misfit.unexpected,
            "names in the network begin with {!r}, and those in the checkpoint do not; let the factory "
            "return the network inside.",
        ),
    ):
        for prefix in _first_words(some):
            bare = [name.removeprefix(prefix) for name in some if name.startswith(prefix)]
            if 2 * sum(name in others for name in bare) > len(others) > 0:
                return text.format(prefix)
    return ""


def _first_words(names: Iterable[str]) -> list[str]:
    """The commonest first words of names, one or several: "model.", "net.", "model.module."."""
    found: Counter[str] = Counter()
    for name in names:
        words = name.split(".", _MOST_WORDS)
        found.update(".".join(words[:length]) + "." for length in range(1, len(words)))
    return [prefix for prefix, count in found.most_common(_PREFIXES_TRIED) if count > 1]


def _bias(misfit: Misfit) -> str:
    for some, other, where in (
        (misfit.missing, misfit.unexpected, ("the network", "the checkpoint")),
        (misfit.unexpected, misfit.missing, ("the checkpoint", "the network")),
    ):
        if some and not other and not misfit.shapes and all(name.endswith("bias") for name in some):
            return (
                f"{where[0]}'s layers have a bias there, and {where[1]}'s have none; build the network with "
                "the bias argument that was trained."
            )
    return ""


def _another_network(misfit: Misfit) -> str:
    if misfit.missing and misfit.unexpected and len(misfit.missing) >= len(misfit.wanted) // 2:
        return "another network, or other names for its layers; was it trained with this factory?"
    return ""


def _depth(misfit: Misfit) -> str:
    """Numbered parts of one list are too many on one side: ``blocks.6.``, ``blocks.7.``, ..."""
    differing = list(misfit.missing or misfit.unexpected)
    stems = {match[1] if (match := _NUMBERED.match(name)) else None for name in differing}
    if not differing or len(stems) != 1 or (misfit.missing and misfit.unexpected):
        return ""
    [stem] = stems
    ours, theirs = (_numbers(names, stem) for names in (misfit.given, misfit.wanted))
    if stem is None or not ours or not theirs or len(ours) == len(theirs):
        return ""
    what = f"{stem[:-1]!r} has" if stem else "it has"
    return (
        f"another depth: {what} {len(ours)} parts in the checkpoint and {len(theirs)} in the network; pass "
        "the depth that was trained with --arch-args."
    )


def _numbers(names: Iterable[str], stem: str | None) -> set[str]:
    matches = (_NUMBERED.match(name) for name in names)
    return {match[2] for match in matches if match and match[1] == stem}


def _layers(misfit: Misfit) -> str:
    if misfit.missing or misfit.unexpected:
        return "another version of the network, with layers more or fewer than the one trained."
    return ""


def _classes(misfit: Misfit) -> str:
    """One layer alone differs, in its first dimension or its second: the last or the first of the network."""
    pairs: dict[str, list[tuple[Tensor, Tensor]]] = {}
    for name, pair in misfit.shapes.items():
        layer, inner = misfit.layer_of(name)
        mixing = layer in misfit.dendritic and inner.startswith(("top", "between."))
        pairs.setdefault(layer, []).extend([] if mixing else [pair])
    [(layer, differing), *others] = pairs.items()
    if others or not differing:
        return ""
    file, network = differing[0]
    if all(a.dim() and a.shape[1:] == b.shape[1:] for a, b in differing):
        return (
            f"layer {layer} has another number of outputs (classes); the checkpoint has {len(file)}. Pass it "
            "to the factory with --arch-args."
        )
    if all(a.dim() == b.dim() > 1 and (len(a), a.shape[2:]) == (len(b), b.shape[2:]) for a, b in differing):
        return (
            f"layer {layer} has another number of inputs: {file.shape[1]} in the checkpoint, "
            f"{network.shape[1]} in the network; another size or number of channels of the network's input. "
            "Pass the one trained to the factory with --arch-args."
        )
    return ""


def _widths(misfit: Misfit) -> str:
    pairs = misfit.shapes.values()
    if any(a.dim() != b.dim() for a, b in pairs):
        return "layers of another kind under the same names; was it trained with this factory?"
    if all(a.dim() > 2 and a.shape[:2] == b.shape[:2] for a, b in pairs):
        return "the network was built with other kernel sizes; pass the ones trained with --arch-args."
    return "the network was built with other widths; pass the ones trained with --arch-args."
