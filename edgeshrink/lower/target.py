"""What a rule writes for: an opset, and the operators of it that the device's parser can import."""

from __future__ import annotations

from dataclasses import dataclass

from edgeshrink.devices import Device
from edgeshrink.parsers import Parser, parser_for

__all__ = ["Target"]


@dataclass(frozen=True)
class Target:
    """The opset that is left, the one that is written, and the parser that reads it.

    Attributes:
        source: The model's opset before.
        opset: The opset to write.
        parser: The device's parser; None where it takes all of its opset.
    """

    source: int
    opset: int
    parser: Parser | None = None

    @classmethod
    def of(cls, device: Device, source: int) -> Target:
        """The target that `device` is for a model written in opset `source`, which never goes up."""
        return cls(source, min(source, device.opset), parser_for(device))

    def lacks(self, op_type: str) -> bool:
        """Whether the parser cannot import `op_type`, at whatever opset."""
        return self.parser is not None and not self.parser.supports(op_type)

    def misreads(self, op_type: str, trap: str) -> bool:
        """Whether the parser's table tells of `trap` for `op_type`: it takes the node and gets it wrong."""
        return self.parser is not None and any(known.id == trap for known in self.parser.traps(op_type))
