"""What an engine takes and gives, whichever API tells it."""

from collections import namedtuple

from edgeshrink_device.engines.trt import DTYPES
from edgeshrink_device.errors import DeviceError

__all__ = ["Tensor", "adapter_of", "dtype_of"]

Tensor = namedtuple("Tensor", ["name", "is_input", "dtype", "shape"])
Tensor.__doc__ = """One input or output of an engine: its numpy dtype's name, and its shape with None where a
size is open."""


def dtype_of(name, kind):
    """The numpy dtype's name of a TensorRT DataType.

    Raises:
        DeviceError: numpy has none (BF16, FP8, INT4).
    """
    if kind.name not in DTYPES:
        raise DeviceError(
            "'{}' is {}, which numpy has no type for".format(name, kind.name),
            "Let the network take and give float32.",
        )
    return DTYPES[kind.name]


def adapter_of(trt, engine, context):
    """The adapter for the API this engine has: tensors by name (8.5 on), else bindings by number (to 8.6)."""
    from edgeshrink_device.inference.binding_api import BindingApi
    from edgeshrink_device.inference.tensor_api import TensorApi

    if hasattr(engine, "num_io_tensors"):
        return TensorApi(trt, engine, context)
    return BindingApi(engine, context)
