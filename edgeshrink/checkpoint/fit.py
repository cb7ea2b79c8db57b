"""Do a checkpoint's tensors fit a network? If not: one error that shows where, and why most likely."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from edgeshrink.errors import InputError

if TYPE_CHECKING:
    from torch import Tensor, nn

__all__ = ["require_fit"]

_SHOWN = 5
_MAY_BE_MISSING = (
    "num_batches_tracked"  # files from before torch 0.4.1 lack it, and inference does not use it
)


def require_fit(
    network: nn.Module,
    given: Mapping[str, tuple[str, Tensor]],
    source: Mapping[str, str],
    arch: str,
    path: str,
) -> None:
    """Check that every tensor has its place and every place its tensor.

    Args:
        network: The network, dendrites in place.
        given: Name in the network -> (name among the arranged tensors, tensor).
        source: Name among the arranged tensors -> name in the file.
        arch: What the network came from, for the message.
        path: Where the tensors came from, for the message.

    Raises:
        InputError: They do not fit; shows the first missing and unexpected names and wrong shapes.
    """
    wanted = network.state_dict()
    missing = {n: t for n, t in wanted.items() if n not in given and not n.endswith(_MAY_BE_MISSING)}
    unexpected = {source[known]: t for n, (known, t) in given.items() if n not in wanted}
    shapes = {
        source[known]: (t, wanted[n])
        for n, (known, t) in given.items()
        if n in wanted and wanted[n].shape != t.shape
    }
    if not (missing or unexpected or shapes):
        return
    lines = [f"the network of {arch} does not fit {path}"]
    lines += _section(
        "in the network, not in the file", [f"{_plain(n)} {_shape(t)}" for n, t in missing.items()]
    )
    lines += _section("in the file, not in the network", [f"{n} {_shape(t)}" for n, t in unexpected.items()])
    lines += _section(
        "of another shape",
        [f"{n} {_shape(a)} in the file, {_shape(b)} in the network" for n, (a, b) in shapes.items()],
    )
    raise InputError("\n".join(lines), _likely_cause(list(missing), list(unexpected), shapes, len(wanted)))


def _section(title: str, entries: list[str]) -> list[str]:
    if not entries:
        return []
    more = [f"    ... and {len(entries) - _SHOWN} more"] if len(entries) > _SHOWN else []
    return [f"  {title} ({len(entries)}):", *(f"    {entry}" for entry in entries[:_SHOWN]), *more]


def _plain(name: str) -> str:
    return name.replace(".soma.", ".")


def _shape(tensor: Tensor) -> str:
    return "x".join(map(str, tensor.shape)) or "scalar"


def _likely_cause(
    missing: list[str], unexpected: list[str], shapes: Mapping[str, tuple[Tensor, Tensor]], wanted: int
) -> str:
    """Guess why, from the pattern of what does not fit."""
    if any(".model." in name for name in unexpected):
        return (
            "Likely cause: the checkpoint has a PAISequential block there; put torch.nn.Sequential with the "
            "same layers, under the same name, into the network that the factory returns."
        )
    if missing and unexpected and len(missing) >= wanted // 2:
        return (
            "Likely cause: another network, or other names for its layers; was it trained with this factory?"
        )
    if missing or unexpected:
        return "Likely cause: another version of the network, with layers more or fewer than the one trained."
    heads = {name.rpartition(".")[0] for name in shapes}
    if len(heads) == 1 and all(a.shape[1:] == b.shape[1:] for a, b in shapes.values()):
        classes = next(iter(shapes.values()))[0].shape[0]
        return (
            f"Likely cause: layer {heads.pop()} has another number of outputs (classes); the checkpoint "
            f"has {classes}. Pass it to the factory with --arch-args."
        )
    return "Likely cause: the network was built with other widths; pass the ones trained with --arch-args."
