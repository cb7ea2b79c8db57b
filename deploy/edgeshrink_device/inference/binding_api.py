"""Bindings by number: TensorRT 8.0 to 8.4, and to 8.6 beside the tensors by name."""

from edgeshrink_device.errors import DeviceError
from edgeshrink_device.inference.tensors import Tensor, dtype_of

__all__ = ["BindingApi"]


class BindingApi:
    """An engine's context through get_binding_* and execute_async_v2, with the first optimization profile.

    Args:
        engine, context: An ICudaEngine and its IExecutionContext.
    """

    def __init__(self, engine, context):
        self._engine, self._context = engine, context
        count = engine.num_bindings // max(1, engine.num_optimization_profiles)
        self._numbers = {engine.get_binding_name(i): i for i in range(count)}
        self._addresses = []

    def tensors(self):
        """All `Tensor`s, in the engine's order.

        Raises:
            DeviceError: One holds a shape and no numbers, or is of a type that numpy lacks.
        """
        return [self._tensor(name, i) for name, i in self._numbers.items()]

    def set_shape(self, name, shape):
        """Give an input its sizes; False where the engine does not take them."""
        return self._context.set_binding_shape(self._numbers[name], tuple(shape))

    def shape(self, name):
        """The sizes of a tensor, all shapes of inputs given; -1 where they depend on the numbers."""
        return tuple(self._context.get_binding_shape(self._numbers[name]))

    def bind(self, addresses):
        """Let each tensor lie at its address; {name: int}."""
        self._addresses = [addresses[name] for name in self._numbers]

    def enqueue(self, stream):
        """Put one inference on the stream (an int); False where TensorRT refuses."""
        return self._context.execute_async_v2(self._addresses, stream)

    def execute(self):
        """Run once and wait for it; False where TensorRT refuses."""
        return self._context.execute_v2(self._addresses)

    def _tensor(self, name, i):
        engine = self._engine
        if engine.is_shape_binding(i):
            raise DeviceError("'{}' holds a shape, which is not supported".format(name))
        shape = tuple(None if size < 0 else size for size in engine.get_binding_shape(i))
        return Tensor(name, engine.binding_is_input(i), dtype_of(name, engine.get_binding_dtype(i)), shape)
