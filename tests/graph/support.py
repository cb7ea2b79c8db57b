"""What the analysis says of a small model, by the names of its values."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from edgeshrink.graph.analysis import analyse
from edgeshrink.graph.spaces import Partition
from tests.bake.support import model

__all__ = ["Seen", "seen"]


class Seen:
    """The analysis of a model, asked by value name."""

    def __init__(self, of: ir.Model) -> None:
        self.analysis = analyse(of.graph)
        outputs = [output for node in of.graph for output in node.outputs]
        self.values = {
            value.name: value for value in [*of.graph.inputs, *of.graph.initializers.values(), *outputs]
        }

    @property
    def partition(self) -> Partition:
        return self.analysis.partition

    def constants(self, name: str, axis: int = 1) -> list[float]:
        """The numbers along an axis, nan where not known."""
        return self.analysis.constants.of(self.values[name], axis).round(5).tolist()

    def demand(self, name: str, axis: int = 1) -> list[bool]:
        return self.analysis.demand.of(self.values[name], axis).tolist()

    def classes(self, name: str, axis: int = 1) -> list[int] | None:
        """The class of each unit along an axis; None if it is not tracked."""
        units = self.analysis.spaces.get(self.values[name], axis)
        return None if units is None else self.partition.labels[units].tolist()

    def pinned(self, name: str, axis: int = 1) -> str | None:
        """Why the first unit of an axis must stay."""
        classes = self.classes(name, axis)
        return "not tracked" if classes is None else self.partition.reasons.get(classes[0])

    def tied(self, first: tuple[str, int], second: tuple[str, int]) -> bool:
        return self.classes(*first) is not None and self.classes(*first) == self.classes(*second)


def seen(
    text: str, arrays: dict[str, np.ndarray] | None = None, opset: int = 18, *, strict: bool = True
) -> Seen:
    return Seen(model(text, arrays, opset, strict=strict))
