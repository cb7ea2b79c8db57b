"""What each operator means for the channel analysis: one small class an operator family, found by op type.

To teach the analysis an operator, write a subclass of `Operator` in the file of its family (or a new file,
imported below) and register it for its op types. What is not registered pins all it touches.
"""

from edgeshrink.graph.operators import (
    blocks,
    convolution,
    dropout,
    einsum,
    elementwise,
    expanding,
    gather,
    layout,
    matrix,
    normalization,
    padding,
    pooling,
    quantization,
    recurrent,
    reduction,
    reshape,
    resizing,
    shape,
    slicing,
    split,
    transposed,
    where,
)
from edgeshrink.graph.operators.base import Operator, operator_of

__all__ = [
    "Operator",
    "blocks",
    "convolution",
    "dropout",
    "einsum",
    "elementwise",
    "expanding",
    "gather",
    "layout",
    "matrix",
    "normalization",
    "operator_of",
    "padding",
    "pooling",
    "quantization",
    "recurrent",
    "reduction",
    "reshape",
    "resizing",
    "shape",
    "slicing",
    "split",
    "transposed",
    "where",
]
