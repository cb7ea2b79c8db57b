r"""PerforatedAI's training form: every perforated layer P with its dendrites, and a lot of scaffolding.

    P.main_module.<name>                        the layer itself                          -> P.<name>
    P.dendrite_module.layers.<i>.<name>         dendrite i
    P.dendrite_module.dendrites_to_dendrites.<i>   (i, C): w_i, for i >= 1
    P.dendrites_to_top.<D-1>                    (D, C): output weights; shorter ones are stale
    P.this_node_index                           channel dimension
    T.main_module.<name>                        a tracked layer without dendrites          -> T.<name>

A layer is perforated iff ``P.dendrite_module.num_cycles`` exists, even with no dendrite. The number of
dendrites is counted from ``layers``, layer by layer; no counter in the file is to be trusted. Checked against
perforatedai 3.2.9; older spellings (``dendrite_to_dendrite``, ``this_input_dimensions``) mean the same.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from edgeshrink.checkpoint.arranged import Arranged, Dendrites
from edgeshrink.checkpoint.registry import register_layout
from edgeshrink.errors import InputError

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["PerforatedAITraining"]

_MARKER = ".dendrite_module.num_cycles"

# What the network does not use, by rule; the first that matches names the reason.
_SCAFFOLDING = tuple(
    (reason, re.compile(pattern))
    for reason, pattern in (
        ("training history", r"(^|\.)tracker_string$"),
        ("template copies", r"\.dendrite_module\.parent_module\."),
        ("dendrite statistics", r"\.dendrite_module\.dendrite_values\.|\w_cache$"),
        ("candidate wiring", r"\.dendrite_module\.dendrites?_to_candidates\."),
        ("candidate dendrites", r"\.dendrite_module\.(best_)?candidate_(module|layer)\."),
        ("bookkeeping", r"\.(this_(in|out)put_dimensions|num_cycles)$|\.dendrite_module\.this_node_index$"),
        ("placeholders", r"\.dendrite_module\.dendrites?_to_dendrites?\.0$"),
    )
)
_BRANCH = re.compile(r"^dendrite_module\.layers\.(\d+)\.(.+)$")
_BETWEEN = re.compile(r"^dendrite_module\.dendrites?_to_dendrites?\.(\d+)$")
_TOP = re.compile(r"^dendrites_to_top\.(\d+)$")
_TRACKED = re.compile(r"(^|\.)main_module\.")


@register_layout
class PerforatedAITraining:
    """Layers with dendrites as the library holds them while it trains."""

    title = "PerforatedAI training form"

    def matches(self, names: Iterable[str]) -> bool:
        """Look for the marker that every perforated layer carries."""
        return any(name.endswith(_MARKER) for name in names)

    def arrange(self, tensors: Mapping[str, Tensor]) -> Arranged:
        """Put somas under their plain names, collect each layer's dendrites, drop scaffolding.

        Raises:
            InputError: A dendrite's tensors are incomplete or do not fit together.
        """
        arranged = Arranged()
        paths = sorted(name.removesuffix(_MARKER) for name in tensors if name.endswith(_MARKER))
        inside: dict[str, dict[str, Tensor]] = {path: {} for path in paths}
        for name, tensor in tensors.items():
            path = next((path for path in paths if name.startswith(f"{path}.")), None)
            reason = next((reason for reason, rule in _SCAFFOLDING if rule.search(name)), None)
            if reason:
                arranged.dropped[reason] = arranged.dropped.get(reason, 0) + 1
            elif path is None:
                plain = _TRACKED.sub(r"\1", name)
                arranged.plain[plain], arranged.source[plain] = tensor, name
            else:
                inside[path][name.removeprefix(f"{path}.")] = tensor
        for path, members in inside.items():
            _arrange_layer(arranged, path, members)
        arranged.plain = {name: arranged.plain[name] for name in _in_file_order(arranged, tensors)}
        return arranged


def _in_file_order(arranged: Arranged, tensors: Mapping[str, Tensor]) -> list[str]:
    order = {name: index for index, name in enumerate(tensors)}
    return sorted(arranged.plain, key=lambda name: order[arranged.source[name]])


def _arrange_layer(arranged: Arranged, path: str, members: dict[str, Tensor]) -> None:
    """Sort one perforated layer's tensors (names relative to ``path``) into ``arranged``."""
    branches: dict[int, dict[str, Tensor]] = {}
    between: dict[int, Tensor] = {}
    tops: dict[int, Tensor] = {}
    node = members.pop("this_node_index", None)
    for name, tensor in members.items():
        if match := _BRANCH.match(name):
            branches.setdefault(int(match[1]), {})[match[2]] = tensor
            arranged.source[f"{path}.dendrites.{int(match[1])}.{match[2]}"] = f"{path}.{name}"
        elif match := _BETWEEN.match(name):
            between[int(match[1])] = tensor
            arranged.source[f"{path}.between.{int(match[1]) - 1}"] = f"{path}.{name}"
        elif match := _TOP.match(name):
            tops[int(match[1])] = tensor
        else:
            plain = f"{path}.{name.removeprefix('main_module.')}"
            arranged.plain[plain], arranged.source[plain] = tensor, f"{path}.{name}"
    count = len(branches)
    stale = len(tops) - (1 if count else 0)
    if stale > 0:
        arranged.dropped["stale output weights"] = arranged.dropped.get("stale output weights", 0) + stale
    if count:
        arranged.source[f"{path}.top"] = f"{path}.dendrites_to_top.{count - 1}"
        arranged.dendrites[path] = _fit(path, branches, between, tops, node)


def _fit(
    path: str,
    branches: dict[int, dict[str, Tensor]],
    between: dict[int, Tensor],
    tops: dict[int, Tensor],
    node: Tensor | None,
) -> Dendrites:
    """Check that one layer's dendrites are whole: D branches, w_i of shape (i, C), top of shape (D, C)."""
    count = len(branches)
    _require(sorted(branches) == list(range(count)), path, f"dendrites are numbered {sorted(branches)}")
    _require(count - 1 in tops, path, f"dendrites_to_top.{count - 1} is missing for {count} dendrites")
    top = tops[count - 1]
    _require(top.dim() == 2 and len(top) == count, path, f"the output weights have shape {tuple(top.shape)}")
    for i in range(1, count):
        _require(i in between, path, f"dendrites_to_dendrites.{i} is missing")
        shape = (i, top.shape[1])
        _require(
            between[i].shape == shape,
            path,
            f"dendrites_to_dendrites.{i} is {tuple(between[i].shape)}, not {shape}",
        )
    _require(node is None or not node.is_floating_point(), path, "the channel dimension is no integer")
    channel_dim = 1 if node is None or node.numel() != 1 else int(node)
    _require(-8 <= channel_dim < 8, path, f"the channel dimension is {channel_dim}")
    return Dendrites(
        branches=tuple(branches[i] for i in range(count)),
        between=tuple(between[i] for i in range(1, count)),
        top=top,
        channel_dim=channel_dim,
    )


def _require(fits: bool, path: str, problem: str) -> None:
    if not fits:
        raise InputError(
            f"layer {path}: {problem}",
            "The file is damaged or was changed after PerforatedAI saved it: save it again.",
        )
