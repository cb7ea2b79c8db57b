"""Fold BatchNorm: s * (W x + b - m) / sqrt(v + eps) + t -> (k W) x + (k (b - m) + t) with k = s / sqrt(v + eps).

Exact, and zeros stay zeros: a dead filter keeps a zero row, and its constant moves into the bias. A BatchNorm
behind anything but a Conv, ConvTranspose or Gemm of its own stays; the analysis knows what it does.
"""

from __future__ import annotations

import onnx_ir as ir
from onnxscript.rewriter import RewriteRuleSet, rewrite
from onnxscript.rewriter.rules.common import (
    fuse_batchnorm_into_conv_rule,
    fuse_batchnorm_into_conv_transpose_rule,
    fuse_batchnorm_into_gemm_rule,
)

from edgeshrink.bake.base import BakePass

__all__ = ["FoldBatchNorm"]

_RULES = RewriteRuleSet(
    [fuse_batchnorm_into_conv_rule, fuse_batchnorm_into_conv_transpose_rule, fuse_batchnorm_into_gemm_rule]
)


class FoldBatchNorm(BakePass):
    """Fold every inference BatchNorm that follows a layer of its own."""

    def rewrite(self, model: ir.Model) -> dict[str, int]:
        """Returns the number of BatchNorms folded."""
        before = _count(model)
        if before:
            rewrite(model, _RULES)
        folded = before - _count(model)
        return {"batch_norms": folded} if folded else {}


def _count(model: ir.Model) -> int:
    return sum(node.op_type == "BatchNormalization" for node in model.graph)
