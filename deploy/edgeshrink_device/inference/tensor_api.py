"""Tensors by name: TensorRT from 8.5 on."""

from edgeshrink_device.errors import DeviceError
from edgeshrink_device.inference.tensors import Tensor, dtype_of

__all__ = ["TensorApi"]


class TensorApi:
    """An engine's context through get_tensor_* and execute_async_v3, with the first optimization profile.

    Args:
        trt: The module.
        engine, context: An ICudaEngine and its IExecutionContext.
    """

    def __init__(self, trt, engine, context):
        self._trt, self._engine, self._context = trt, engine, context
        self._names = [engine.get_tensor_name(i) for i in range(engine.num_io_tensors)]

    def tensors(self):
        """All `Tensor`s, in the engine's order.

        Raises:
            DeviceError: One holds a shape and no numbers, or is of a type that numpy lacks.
        """
        return [self._tensor(name) for name in self._names]

    def set_shape(self, name, shape):
        """Give an input its sizes; False where the engine does not take them."""
        return self._context.set_input_shape(name, tuple(shape))

    def shape(self, name):
        """The sizes of a tensor, all shapes of inputs given; -1 where they depend on the numbers."""
        return tuple(self._context.get_tensor_shape(name))

    def bind(self, addresses):
        """Let each tensor lie at its address; {name: int}."""
        for name, address in addresses.items():
            if not self._context.set_tensor_address(name, address):
                raise DeviceError("TensorRT does not take an address for '{}'".format(name))

    def enqueue(self, stream):
        """Put one inference on the stream (an int); False where TensorRT refuses."""
        return self._context.execute_async_v3(stream)

    def _tensor(self, name):
        trt, engine = self._trt, self._engine
        if engine.get_tensor_location(name) != trt.TensorLocation.DEVICE:
            raise DeviceError("'{}' holds a shape, which is not supported".format(name))
        shape = tuple(None if size < 0 else size for size in engine.get_tensor_shape(name))
        is_input = engine.get_tensor_mode(name) == trt.TensorIOMode.INPUT
        return Tensor(name, is_input, dtype_of(name, engine.get_tensor_dtype(name)), shape)
