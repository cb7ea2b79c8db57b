"""Do a checkpoint's tensors fit a network? If not: one error that shows where, and why most likely."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from edgeshrink.checkpoint.listing import first_of
from edgeshrink.checkpoint.network.likely_cause import likely_cause
from edgeshrink.checkpoint.network.misfit import Misfit
from edgeshrink.checkpoint.network.weights import tied_parameters
from edgeshrink.errors import InputError

if TYPE_CHECKING:
    from torch import Tensor, nn

__all__ = ["require_fit"]

_LAYERS_SHOWN = 8
_TENSORS_SHOWN = 4
# Files from before torch 0.4.1 lack it, and inference does not use it.
_MAY_BE_MISSING = "num_batches_tracked"


def require_fit(
    network: nn.Module,
    given: Mapping[str, tuple[str, Tensor]],
    source: Mapping[str, str],
    arch: str,
    path: str,
) -> None:
    """Check that every tensor has its place and every place its tensor.

    A place that the network ties to one that is given needs no tensor of its own.

    Args:
        network: The network, dendrites in place.
        given: Name in the network -> (name among the arranged tensors, tensor).
        source: Name among the arranged tensors -> name in the file.
        arch: What the network came from, for the message.
        path: Where the tensors came from, for the message.

    Raises:
        InputError: They do not fit; shows what is missing, unexpected and of another shape, by layer.
    """
    wanted = {name: tensor for name, tensor in network.state_dict().items() if hasattr(tensor, "shape")}
    tied = tied_parameters(network)
    from_elsewhere = {name for names in tied if any(n in given for n in names) for name in names}
    missing = {
        name: tensor
        for name, tensor in wanted.items()
        if name not in given and name not in from_elsewhere and not name.endswith(_MAY_BE_MISSING)
    }
    unexpected = {n: tensor for n, (_, tensor) in given.items() if n not in wanted}
    shapes = {
        n: (tensor, wanted[n])
        for n, (_, tensor) in given.items()
        if n in wanted and wanted[n].shape != tensor.shape
    }
    if missing or unexpected or shapes:
        misfit = Misfit(missing, unexpected, shapes, given.keys(), wanted.keys(), _dendritic_layers(network))
        known = {n: source.get(name, name) for n, (name, _) in given.items()}
        head = f"the network of {arch} does not fit {path}: {_counts(misfit)}"
        raise InputError("\n".join([head, *_lines(misfit, known)]), likely_cause(misfit))
    _require_ties(tied, given, arch, path)


def _dendritic_layers(network: nn.Module) -> frozenset[str]:
    from edgeshrink.dendrites import DendriticLayer

    return frozenset(path for path, module in network.named_modules() if isinstance(module, DendriticLayer))


def _counts(misfit: Misfit) -> str:
    counts = {
        "not in the file": len(misfit.missing),
        "not in the network": len(misfit.unexpected),
        "of another shape": len(misfit.shapes),
    }
    return ", ".join(
        f"{count} {'tensor' if count == 1 else 'tensors'} {where}" for where, count in counts.items() if count
    )


def _lines(misfit: Misfit, known: Mapping[str, str]) -> list[str]:
    """One line a layer, those of the network first and in its order, and how many more there are."""
    layers: dict[str, dict[str, list[str]]] = {}

    def tell(name: str, where: str, text: str) -> None:
        layer, inner = misfit.layer_of(name)
        layers.setdefault(layer, {}).setdefault(where, []).append(f"{layer}.{inner} {text}".lstrip("."))

    for name in misfit.wanted:
        if name in misfit.missing:
            tell(name, "not in the file: ", _shape(misfit.missing[name]))
        elif name in misfit.shapes:
            ours, theirs = map(_shape, misfit.shapes[name])
            tell(name, "", f"{ours} in the file, {theirs} in the network")
    for name, tensor in misfit.unexpected.items():
        stored = f" ({known[name]})" if known[name] != name else ""
        tell(name, "not in the network: ", _shape(tensor) + stored)
    lines = [f"  {_line(parts)}" for parts in layers.values()]
    more = len(lines) - _LAYERS_SHOWN
    return lines if more <= 0 else [*lines[:_LAYERS_SHOWN], f"  ... and {more} more layers"]


def _line(parts: Mapping[str, list[str]]) -> str:
    told = []
    for where, entries in parts.items():
        told.append(where + first_of(entries, _TENSORS_SHOWN, ", " if where else "; "))
    return "; ".join(told)


def _shape(tensor: Tensor) -> str:
    return "x".join(map(str, tensor.shape)) or "scalar"


def _require_ties(
    tied: list[list[str]], given: Mapping[str, tuple[str, Tensor]], arch: str, path: str
) -> None:
    """Check that the file has one value for what is one tensor in the network."""
    for names in tied:
        first, *others = [name for name in names if name in given] or [""]
        for other in others:
            if not _equal(given[first][1], given[other][1]):
                raise InputError(
                    f"{first} and {other} are one tensor in the network of {arch}, and {path} has different "
                    "values for them",
                    "Likely cause: they were not tied while training; build the network without tying them.",
                )


def _equal(one: Tensor, other: Tensor) -> bool:
    """Tell whether two tensors of the same shape have the same values; not-a-number equals itself."""
    if one.data_ptr() == other.data_ptr() and one.stride() == other.stride():
        return True
    return bool(((one == other) | ((one != one) & (other != other))).all())
