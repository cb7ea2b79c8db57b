"""PerforatedAI's inference form (``*_pai.pt``): every perforated layer P as a list of layers, the soma last.

    P.layer_array.<i>.<name>     dendrite i, for i < D
    P.layer_array.<D>.<name>     the layer itself                                      -> P.<name>
    P.skip_weights...            w_1 ... w_{D-1} and the output weights, see below
    P.node_index                 channel dimension
    P.view_tuple                 -1 at the channel dimension, 1 elsewhere

``skip_weights`` came as one dense tensor (D, D+1, C), whose element [i, :i+1] is what unit i+1 reads (unit D
is the output; the rest is noise that carries a watermark), as a list with a placeholder in front, as a list
without, and as a list whose first element was taken for the placeholder though it was none. So the place in
the list tells nothing: a matrix with k rows is what unit k reads. Checked against perforatedai 3.2.9.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from edgeshrink.checkpoint.layouts.arranged import Arranged
from edgeshrink.checkpoint.layouts.perforatedai_layer import Wiring, number, require
from edgeshrink.checkpoint.layouts.perforatedai_recurrent import recurrent_warning
from edgeshrink.checkpoint.listing import first_of
from edgeshrink.checkpoint.network.tensor_names import layer_finder
from edgeshrink.checkpoint.registry import register_layout

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["PerforatedAIInference"]

_ARRAY = ".layer_array."
_HISTORY = "tracker_string"  # left in networks that were converted in memory, and not by the library's save
_BESIDE_IT = ("node_index", "view_tuple", "num_cycles", "skip_weights", "skip_weights.0", "skip_weights.1")
_ENTRY = re.compile(r"layer_array\.([0-9]+)\.(.+)$")
_LISTED = re.compile(r"skip_weights\.[0-9]+$")
_SHOWN = 4


@register_layout
class PerforatedAIInference:
    """Layers with dendrites as the library runs them after training."""

    title = "PerforatedAI inference form"

    def matches(self, names: Iterable[str]) -> bool:
        """Look for a list of layers with the library's bookkeeping beside it."""
        return bool(_layers(names))

    def arrange(self, tensors: Mapping[str, Tensor]) -> Arranged:
        """Put somas under their plain names, collect each layer's dendrites, drop the rest.

        Raises:
            InputError: A dendrite's tensors are incomplete or do not fit together.
        """
        arranged = Arranged()
        find = layer_finder(_layers(tensors))
        layers: dict[str, _Layer] = {}
        for name, tensor in tensors.items():
            path = find(name)
            if name == _HISTORY:
                arranged.drop("training history")
            elif path is None:
                arranged.add(name, name, tensor)
            else:
                layers.setdefault(path, _Layer(path)).take(arranged, name, tensor)
        broken = [path for path, layer in sorted(layers.items()) if not layer.finish(arranged)]
        if broken:
            arranged.warnings.append(_lost(broken))
        arranged.keep_order(tensors)
        return arranged


def _layers(names: Iterable[str]) -> set[str]:
    """Find the perforated layers."""
    names = set(names)
    lists = {name[: name.index(_ARRAY)] for name in names if _ARRAY in name}
    return {path for path in lists if any(f"{path}.{beside}" in names for beside in _BESIDE_IT)}


class _Layer:
    """One perforated layer while its tensors come in."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.entries: dict[int, dict[str, tuple[str, Tensor]]] = {}  # name within the layer -> (source, ...)
        self.mixing: list[tuple[str, Tensor]] = []
        self.wiring = Wiring(path, channel_mark=-1)

    def take(self, arranged: Arranged, source: str, tensor: Tensor) -> None:
        """Sort one tensor by its name."""
        name = source.removeprefix(f"{self.path}.")
        match = _ENTRY.match(name)
        if name == "module_id" or (match and match[2] == "module_id"):
            arranged.drop("module ids")
        elif match:
            self.entries.setdefault(number(match[1], self.path), {})[match[2]] = (source, tensor)
        elif name == "skip_weights" or _LISTED.match(name):
            self.mixing.append((source, tensor))
        elif name == "node_index":
            self.wiring.node = tensor
        elif name in ("view_tuple", "num_cycles"):
            if name == "view_tuple":
                self.wiring.shape = tensor
            arranged.drop("bookkeeping")
        else:
            arranged.add(source, source, tensor)

    def finish(self, arranged: Arranged) -> bool:
        """Put soma and dendrites into ``arranged``; False if the dendrite's output weights are not there."""
        path, wiring = self.path, self.wiring
        last = len(self.entries) - 1
        whole = last >= 0 and sorted(self.entries) == list(range(last + 1))
        require(whole, path, "layer_array has gaps in its numbers")
        for name, (source, tensor) in self.entries.pop(last).items():
            arranged.add(f"{path}.{name}", source, tensor)
        self._index_by_rows(arranged)
        if not self.entries:
            return True
        if last == 1 and not wiring.mixing:
            arranged.drop("dendrites without output weights", len(self.entries[0]))
            return False
        for unit in range(1, last + 1):
            read_by = "the output" if unit == last else f"dendrite {unit}"
            require(unit in wiring.mixing, path, f"skip_weights has nothing for what {read_by} reads")
        for index, entry in self.entries.items():
            wiring.branches[index] = {name: tensor for name, (_, tensor) in entry.items()}
            arranged.source |= {f"{path}.dendrites.{index}.{name}": s for name, (s, _) in entry.items()}
        for unit, (source, _) in wiring.mixing.items():
            own = f"{path}.top" if unit == last else f"{path}.between.{unit - 1}"
            arranged.source[own] = source
        arranged.dendrites[path] = wiring.dendrites()
        if warning := recurrent_warning(path, wiring.branches[0]):
            arranged.warnings.append(warning)
        return True

    def _index_by_rows(self, arranged: Arranged) -> None:
        """Find what each unit reads among the mixing weights; ``entries`` are the dendrites alone by now."""
        count = len(self.entries)
        for source, tensor in self.mixing:
            name = source.removeprefix(f"{self.path}.")
            if name == "skip_weights":
                shape = (count, count + 1)
                fits = tensor.dim() == 3 and tensor.shape[:2] == shape
                require(fits, self.path, f"skip_weights is {tuple(tensor.shape)} for {count} dendrites")
                # copies, so that the noise around them is gone
                self.wiring.mixing |= {i + 1: (source, tensor[i, : i + 1].clone()) for i in range(count)}
            elif tensor.dim() != 2 or not len(tensor):
                require(tensor.numel() <= 1, self.path, f"{name} is {tuple(tensor.shape)}")
                arranged.drop("placeholders")
            else:
                rows = len(tensor)
                require(rows <= count, self.path, f"{name} has {rows} rows for {count} dendrites")
                require(rows not in self.wiring.mixing, self.path, f"{name} is the second with {rows} rows")
                self.wiring.mixing[rows] = (source, tensor)


def _lost(layers: list[str]) -> str:
    return (
        f"the output weights of the only dendrite are missing for {first_of(layers, _SHOWN)}: "
        "PerforatedAI 3.2.9 loses them when"
        " it saves this form, and then computes the layer without its dendrite, as this network does; to have"
        " the dendrite, save the training form where the network was trained: "
        "perforatedai.utils_perforatedai.save_system(net, folder, name), or "
        "torch.save(net.state_dict(), file)"
    )
