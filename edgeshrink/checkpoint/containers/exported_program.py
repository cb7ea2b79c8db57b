"""Programs saved by torch.export.save (.pt2): the network, its tensors and its inputs, all in one file.

What torch's own loader would evaluate, resolve or unpickle is checked or made again here: a file that holds
more than ATen operators on plain tensors is refused. Only ``--trust-pickle`` hands it to torch.
"""

from __future__ import annotations

import re
import sys
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgeshrink.checkpoint.containers.stored import Opening, Stored
from edgeshrink.checkpoint.containers.zips import entry_names
from edgeshrink.checkpoint.programs.symbols import plain_symbol
from edgeshrink.checkpoint.registry import register_container
from edgeshrink.errors import InputError
from edgeshrink.inputs import InputSpec

if TYPE_CHECKING:
    from torch import nn

    from edgeshrink.checkpoint.programs.graph import Program

__all__ = ["ExportedProgram"]

_MOST_LIVE_BYTES = 2_000_000_000  # beside the weights, at any time of a run; a Jetson Nano has 4 GB in all
_MARKS = re.compile(r"(?:[^/]+/)?(archive_format|models/[^/]+\.json)|serialized_exported_program\.json")


@register_container
class ExportedProgram:
    """A zip archive with a program's JSON in it."""

    name = "torch-export"
    title = "torch.export program"

    def recognises(self, path: Path, head: bytes) -> bool:
        """Look for the entries that only program archives have."""
        return head.startswith(b"PK") and any(_MARKS.fullmatch(name) for name in entry_names(path) or ())

    def check(self, path: Path) -> None:
        """Reading is checking: every entry is looked at before it is used."""

    def read(self, path: Path, opening: Opening) -> Stored:
        """Read the program as a network; see ``programs/graph.py`` for what it may hold."""
        try:
            return _read(path)
        except InputError as error:
            if not opening.trust_pickle or not zipfile.is_zipfile(path):
                raise
            sys.stderr.write(f"{error}\n--trust-pickle is given: torch.export.load runs what it holds.\n")
            return _trusted(path)


def _read(path: Path) -> Stored:
    from edgeshrink.checkpoint.programs.archive import read_archive
    from edgeshrink.checkpoint.programs.graph import read_program
    from edgeshrink.checkpoint.programs.network import build_network

    archive = read_archive(path)
    program = read_program(archive.program, str(path))
    try:
        network = build_network(program, archive.tensors)
    except (KeyError, RuntimeError, TypeError) as error:
        raise InputError(
            f"{path} is a torch.export program, but lacks a tensor, or names one as no network can: {error}",
            "Save it again with torch.export.save.",
        ) from error
    inputs, warnings = _inputs(program, path)
    _require_runs(network, inputs, path)
    return Stored(dict(network.state_dict()), network, inputs, warnings, complete=True)


def _inputs(program: Program, path: Path) -> tuple[tuple[InputSpec, ...], tuple[str, ...]]:
    """The inputs' shapes: an open batch is 1, any other open size the example's."""
    from edgeshrink.checkpoint.programs.values import dtype_of

    metas = {name: meta for name, (_, meta) in program.inputs.items()}
    try:
        batches = _batches(metas.values(), program.ranges)
        specs, told = [], []
        for name, meta in metas.items():
            shape = tuple(_size(size, batches) for size in meta["sizes"])
            dtype = str(dtype_of(meta["dtype"])).removeprefix("torch.")
            specs.append(InputSpec(name, shape, dtype))
            if any("as_int" not in size for size in meta["sizes"]):
                told.append(f"{name} was taken as {'x'.join(map(str, shape))}")
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError(
            f"{path} is a torch.export program, but an input's shape is not told ({error})",
            "Save it again with torch.export.save.",
        ) from error
    warning = f"{path.name} leaves sizes of its inputs open: {', '.join(told)}; --input says otherwise."
    return tuple(specs), (warning,) if told else ()


def _batches(metas: Iterable[Mapping[str, Any]], ranges: Mapping[str, int]) -> set[str]:
    """The sizes, as written, that are a batch and nothing else: only ever first, and possibly 1.

    torch says 2 at least where it was told nothing, because it tells 1 from all other sizes.
    """
    first: set[str] = set()
    other: set[str] = set()
    for meta in metas:
        for index, size in enumerate(meta["sizes"]):
            if "as_expr" in size:
                (other if index else first).add(size["as_expr"]["expr_str"])
    symbols = {text: plain_symbol(text) for text in first | other}
    if not all(symbols.values()):
        return set()  # sizes made of others: only the example's surely go together
    return {text for text in first - other if ranges.get(symbols[text] or "", 0) <= 2}


def _size(size: Mapping[str, Any], batches: set[str]) -> int:
    if "as_int" in size:
        value = size["as_int"]
    else:
        value = 1 if size["as_expr"]["expr_str"] in batches else size["as_expr"]["hint"]["as_int"]
    if type(value) is not int or not 0 <= value < 2**31:
        raise ValueError(f"size {value!r:.40}")
    return value


def _require_runs(network: nn.Module, inputs: Sequence[InputSpec], path: Path) -> None:
    """Run the program on shapes alone: damage shows here, and what would take all memory."""
    import torch

    from edgeshrink.checkpoint.programs.network import StepError, live_bytes

    given = [torch.empty(spec.shape, dtype=getattr(torch, spec.dtype), device="meta") for spec in inputs]
    try:
        needed = live_bytes(network, given)
    except NotImplementedError:
        return  # an operator without a rule for shapes: tracing it will tell
    except (StepError, KeyError, TypeError, ValueError, RuntimeError) as error:
        raise InputError(
            f"{path} is a torch.export program that does not run: {str(error)[:300]}",
            "Export the network again, without branches on values, and save it with torch.export.save.",
        ) from error
    if needed > _MOST_LIVE_BYTES:
        raise InputError(
            f"{path} is a torch.export program that takes {needed / 1e9:.1f} GB to run",
            "Export the network for smaller inputs, as the device will run it.",
        )


def _trusted(path: Path) -> Stored:
    """What torch's own loader makes of the file."""
    import torch

    try:
        with path.open("rb") as file:
            exported = torch.export.load(file)
        network = exported.module()
    except Exception as error:
        raise InputError(
            f"{path} cannot be read by torch.export.load either: {type(error).__name__}: {str(error)[:200]}",
            "Save it again with torch.export.save of this version of torch.",
        ) from error
    network.eval = lambda: network  # type: ignore[method-assign]  # torch's raises
    return Stored(dict(network.state_dict()), network, complete=True)
