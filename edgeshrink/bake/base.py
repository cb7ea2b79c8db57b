"""What every bake pass is: an in-place onnx_ir pass that reports in counts what it did."""

from __future__ import annotations

import onnx_ir as ir
from onnx_ir.passes.common import NameFixPass

__all__ = ["BakePass"]


class BakePass(ir.passes.InPlacePass):
    """An exact rewrite of a whole model.

    Subclasses write `rewrite`. After a call, `detail` holds its counts. Values may leave a rewrite with names
    that others have; they are made unique here, the graph's inputs and outputs keeping theirs.

    Attributes:
        exact: True for all passes in this folder: the result equals the input network for every finite input,
            up to the order of floating-point operations.
        detail: What the last call did, in counts; empty if it changed nothing.
    """

    exact = True

    def __init__(self) -> None:
        super().__init__()
        self.detail: dict[str, int] = {}

    def rewrite(self, model: ir.Model) -> dict[str, int]:
        """Rewrite a model in place and return what changed, in counts; empty if nothing did."""
        raise NotImplementedError

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        """Run the rewrite as an onnx_ir pass."""
        self.detail = self.rewrite(model)
        if self.detail:
            NameFixPass()(model)
        return ir.passes.PassResult(model, modified=bool(self.detail))
