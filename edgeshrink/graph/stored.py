"""What is stored in a model: the tensors behind initializers and Constant nodes."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import onnx_ir as ir

__all__ = ["stored_array", "stored_tensor"]


def stored_tensor(value: ir.Value | None) -> ir.TensorProtocol | None:
    """The tensor behind an initializer or a Constant node; None for everything else, inputs included."""
    if value is None or value.is_graph_input():
        return None
    try:
        return ir.convenience.get_const_tensor(value)
    except ValueError:  # a Constant without a value is none
        return None


def stored_array(value: ir.Value | None) -> npt.NDArray[Any] | None:
    """The array behind an initializer or a Constant node; None for everything else, and for strings."""
    tensor = stored_tensor(value)
    return None if tensor is None or tensor.dtype == ir.DataType.STRING else np.asarray(tensor.numpy())
