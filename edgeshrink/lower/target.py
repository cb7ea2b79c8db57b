"""What a rule writes for: an opset, and the operators of it that the device's parser has no importer for."""

from __future__ import annotations

from dataclasses import dataclass

from edgeshrink.devices import Device

__all__ = ["Target"]

# The first TensorRT whose parser imports each, and rightly (onnx-tensorrt: docs/Changelog.md, operators.md,
# builtin_op_importers.cpp of the branches 8.2-GA to 10.1-GA).
_SINCE: dict[str, tuple[int, int]] = {
    "Celu": (
        8,
        4,
    ),  # "fixed the operations in the Celu importer"; before, they were wrong
    "GridSample": (8, 5),
    "HardSwish": (8, 4),
    "Hardmax": (9, 2),
    "IsInf": (8, 6),
    "IsNaN": (8, 2),
    "MeanVarianceNormalization": (8, 5),
    "Mod": (8, 5),
    "OneHot": (8, 5),
    "Shrink": (8, 4),
    "Trilu": (8, 6),  # 8.5 takes matrices alone
    "Xor": (8, 4),
}


@dataclass(frozen=True)
class Target:
    """The opset that is left, the one that is written, and what the parser lacks of it.

    Attributes:
        source: The model's opset before.
        opset: The opset to write.
        missing: Operators that the target's parser cannot import at any opset.
    """

    source: int
    opset: int
    missing: frozenset[str] = frozenset()

    @classmethod
    def of(cls, device: Device, source: int) -> Target:
        """The target that `device` is for a model written in opset `source`, which never goes up."""
        missing: set[str] = set()
        if device.tensorrt is not None:
            major, minor = (int(part) for part in device.tensorrt.split(".")[:2])
            missing = {name for name, since in _SINCE.items() if (major, minor) < since}
        return cls(source, min(source, device.opset), frozenset(missing))
