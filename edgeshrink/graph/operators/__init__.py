"""What each operator means for the channel analysis: one small class an operator family, found by op type.

To teach the analysis an operator, write a subclass of `Operator` in the file of its family (or a new file,
imported below) and register it for its op types. What is not registered pins all it touches.
"""

from edgeshrink.graph.operators import (
    convolution,
    elementwise,
    layout,
    matrix,
    normalization,
    pooling,
    recurrent,
    reshape,
    slicing,
)
from edgeshrink.graph.operators.base import Operator, operator_of

__all__ = [
    "Operator",
    "convolution",
    "elementwise",
    "layout",
    "matrix",
    "normalization",
    "operator_of",
    "pooling",
    "recurrent",
    "reshape",
    "slicing",
]
