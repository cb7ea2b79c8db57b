"""PerforatedAI's training form: every perforated layer P with its dendrites, and a lot of scaffolding.

    P.main_module.<name>                        the layer itself                          -> P.<name>
    P.dendrite_module.layers.<i>.<name>         dendrite i
    P.dendrite_module.dendrites_to_dendrites.<i>   (i, C): w_i, for i >= 1
    P.dendrites_to_top.<D-1>                    (D, C): output weights; shorter ones are stale
    P.this_node_index                           channel dimension
    P.this_output_dimensions                    0 at the channel dimension, elsewhere not
    T.main_module.<name>                        a tracked layer without dendrites          -> T.<name>

A layer is perforated iff ``P.dendrite_module.num_cycles`` exists, even with no dendrite. The number of
dendrites is counted from ``layers``, layer by layer; no counter in the file is to be trusted, and a file
saved while candidates are trained has their wiring for one dendrite more. Checked against perforatedai 3.2.9;
older spellings (``dendrite_to_dendrite``, ``candidate_layer``, ``this_input_dimensions``) mean the same.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from edgeshrink.checkpoint.layouts.arranged import Arranged
from edgeshrink.checkpoint.layouts.perforatedai_layer import Wiring, number, require
from edgeshrink.checkpoint.layouts.perforatedai_recurrent import recurrent_warning
from edgeshrink.checkpoint.network.tensor_names import layer_finder
from edgeshrink.checkpoint.registry import register_layout

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["PerforatedAITraining"]

_MARKER = ".dendrite_module.num_cycles"
_HISTORY = "tracker_string"

# What the network does not use, by rule, in names within P. The soma and the dendrites are looked for first:
# what they hold is the network's own, whatever it is called.
_SCAFFOLDING = tuple(
    (reason, re.compile(pattern))
    for reason, pattern in (
        ("template copies", r"dendrite_module\.parent_module\."),
        ("dendrite statistics", r"dendrite_module\.dendrite_values\.|(dendrite_module\.)?[^.]+_cache(\.|$)"),
        ("candidate wiring", r"dendrite_module\.dendrites?_to_candidates?\."),
        ("candidate dendrites", r"dendrite_module\.(best_)?candidate_(module|layer)\."),
        (
            "bookkeeping",
            r"(dendrite_module\.)?(this_(in|out)put_dimensions|num_cycles)$|dendrite_module\.this_node_index$",
        ),
        ("placeholders", r"dendrite_module\.dendrites?_to_dendrites?\.0$"),
    )
)
_BRANCH = re.compile(r"dendrite_module\.layers\.([0-9]+)\.(.+)$")
_BETWEEN = re.compile(r"dendrite_module\.dendrites?_to_dendrites?\.([0-9]+)$")
_TOP = re.compile(r"dendrites_to_top\.([0-9]+)$")
_TRACKED = re.compile(r"(^|\.)main_module\.")


@register_layout
class PerforatedAITraining:
    """Layers with dendrites as the library holds them while it trains."""

    title = "PerforatedAI training form"

    def matches(self, names: Iterable[str]) -> bool:
        """Look for the marker that every perforated layer carries, or for the library's training history."""
        return any(name.endswith(_MARKER) or name == _HISTORY for name in names)

    def arrange(self, tensors: Mapping[str, Tensor]) -> Arranged:
        """Put somas under their plain names, collect each layer's dendrites, drop scaffolding.

        Raises:
            InputError: A dendrite's tensors are incomplete or do not fit together.
        """
        arranged = Arranged()
        paths = [name.removesuffix(_MARKER) for name in tensors if name.endswith(_MARKER)]
        find = layer_finder(paths)
        layers: dict[str, _Layer] = {}
        for name, tensor in tensors.items():
            path = find(name)
            if path is not None:
                layers.setdefault(path, _Layer(path)).take(arranged, name, tensor)
            elif name == _HISTORY or name.endswith(f".{_HISTORY}"):
                arranged.drop("training history")
            else:
                arranged.add(_TRACKED.sub(r"\1", name), name, tensor)
        for path in sorted(layers):
            layers[path].finish(arranged)
        return arranged


class _Layer:
    """One perforated layer while its tensors come in."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.wiring = Wiring(path, channel_mark=0)
        self.tops: dict[int, Tensor] = {}

    def take(self, arranged: Arranged, source: str, tensor: Tensor) -> None:
        """Sort one tensor by its name: into ``arranged`` if it is the soma's, else keep or drop it."""
        path, wiring = self.path, self.wiring
        name = source.removeprefix(f"{path}.")
        if name.startswith("main_module."):
            arranged.add(f"{path}.{name.removeprefix('main_module.')}", source, tensor)
        elif match := _BRANCH.match(name):
            index = number(match[1], path)
            wiring.branches.setdefault(index, {})[match[2]] = tensor
            arranged.source[f"{path}.dendrites.{index}.{match[2]}"] = source
        elif match := _TOP.match(name):
            self.tops[number(match[1], path)] = tensor
        elif name == "this_node_index":
            wiring.node = tensor
        else:
            if name in ("this_output_dimensions", "this_input_dimensions"):
                wiring.shape = tensor
            if reason := next((reason for reason, rule in _SCAFFOLDING if rule.match(name)), None):
                arranged.drop(reason)
            elif match := _BETWEEN.match(name):
                index = number(match[1], path)
                wiring.mixing[index] = (f"dendrites_to_dendrites.{index}", tensor)
                arranged.source[f"{path}.between.{index - 1}"] = source
            else:
                arranged.add(f"{path}.{name}", source, tensor)

    def finish(self, arranged: Arranged) -> None:
        """Put the dendrites, if there are any, into ``arranged``."""
        wiring, path = self.wiring, self.path
        count = len(wiring.branches)
        arranged.drop("stale output weights", len(self.tops) - (1 if count else 0))
        for index in [index for index in wiring.mixing if index >= max(count, 1)]:
            del wiring.mixing[index]  # of a dendrite that is still a candidate
            del arranged.source[f"{path}.between.{index - 1}"]
            arranged.drop("candidate wiring")
        if not count:
            return
        top = f"dendrites_to_top.{count - 1}"
        require(sorted(wiring.branches) == list(range(count)), path, wiring.numbering())
        require(count - 1 in self.tops, path, f"{top} is missing for {count} dendrites")
        for i in range(1, count):
            require(i in wiring.mixing, path, f"dendrites_to_dendrites.{i} is missing")
        wiring.mixing[count] = (top, self.tops[count - 1])
        arranged.source[f"{path}.top"] = f"{path}.{top}"
        arranged.dendrites[path] = wiring.dendrites()
        if warning := recurrent_warning(path, wiring.branches[0]):
            arranged.warnings.append(warning)
