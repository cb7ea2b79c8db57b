"""One engine, loaded and ready to run: its context, its stream and the memory of its inputs and outputs.

One inference: the feed is copied into pinned memory, from there to the device, computed, and copied back. The
two events stand around the enqueue alone, so that they tell what the GPU spends on the network: its kernels
and, where enqueueing them takes longer than running them (small networks on slow processors), the gaps.
"""

from collections import namedtuple

from edgeshrink_device import cuda, program
from edgeshrink_device.engines import trt as tensorrt
from edgeshrink_device.errors import DeviceError, InputError
from edgeshrink_device.inference.tensors import adapter_of

__all__ = ["Session"]

_Buffer = namedtuple("_Buffer", ["name", "host", "address"])


class Session:
    """An engine that runs.

    Args:
        data: The serialized engine.
        model: Path of its model, for messages.
        shapes: {input: sizes} for inputs with open sizes.
        graph: Whether to run it as a CUDA graph.
        stream: A `cuda.Stream`, which is closed with the session; opened unless given.

    Attributes:
        inputs, outputs: Lists of `Tensor`s with all sizes known.
        context_bytes: Device memory that the context takes.
        graph_reason: Why no graph is run although one was asked for; else None.
        emulated: Whether TensorRT or CUDA is a stand-in.

    Raises:
        DeviceError: TensorRT does not load the engine or make its context, or there is no memory.
    """

    def __init__(self, data, model, shapes, graph=False, stream=None):
        self._model = model
        self._trt = tensorrt.load()
        self._log = tensorrt.logger(self._trt)
        self._runtime = self._engine = self._context = self._adapter = None
        self._stream = stream or cuda.open_stream(graph)
        self.emulated = tensorrt.emulated(self._trt) or self._stream.emulated
        self.graph_reason = None
        try:
            self._load(data)
            self._fit(shapes)
            self._prepare(graph)
        except BaseException:
            self.close()
            raise

    @property
    def through(self):
        """What calls CUDA, in words."""
        return self._stream.through

    def versions(self):
        """{"tensorrt": ..., "cuda": ...} and more."""
        return dict(self._stream.versions(), tensorrt=self._trt.__version__)

    def run(self, feed):
        """Run once.

        Args:
            feed: Arrays by input name, of the inputs' types and shapes.

        Returns:
            The outputs in order: arrays that the next run overwrites.

        Raises:
            InputError: An array has another shape.
            DeviceError: TensorRT or CUDA fails.
        """
        stream = self._stream
        for name, host, address in self._inputs:
            if feed[name].shape != host.shape:
                raise InputError(
                    "input '{}' is {}, the engine takes {}".format(
                        name, list(feed[name].shape), list(host.shape)
                    )
                )
            host[...] = feed[name]
            stream.copy_in(address, host)
        stream.mark(0)
        self._launch()
        stream.mark(1)
        for _, host, address in self._outputs:
            stream.copy_out(host, address)
        stream.synchronize()
        return [host for _, host, _ in self._outputs]

    def gpu_seconds(self):
        """Seconds that the last run took between its two events."""
        return self._stream.elapsed_ms() / 1000

    def profile_with(self, profiler):
        """Give every further run's layer times to an IProfiler; runs no graph from here on.

        TensorRT 8.0 profiles what it executes alone, later ones what is enqueued, too.
        """
        enqueues = hasattr(self._context, "enqueue_emits_profile")
        self._launch = self._enqueue if enqueues else self._execute
        self._context.profiler = self._profiler = profiler  # for as long as the context

    def close(self):
        """Give everything back, context before engine before runtime."""
        self._launch = self._inputs = self._outputs = None
        self._adapter = self._context = self._engine = self._runtime = None
        self._stream.close()

    def _load(self, data):
        self._log.take()
        self._trt.init_libnvinfer_plugins(self._log, "")
        self._runtime = self._trt.Runtime(self._log)
        self._engine = self._runtime.deserialize_cuda_engine(data)
        if self._engine is None:
            raise DeviceError(
                "{}: TensorRT does not load its engine: {}".format(self._model, self._said()),
                _again(self._model),
            )
        self.context_bytes = tensorrt.context_bytes(self._engine)
        self._context = self._engine.create_execution_context()
        if self._context is None:
            raise self._no_context()
        self._adapter = adapter_of(self._trt, self._engine, self._context)

    def _no_context(self):
        free, _ = self._stream.memory()
        left = "" if free is None else ", {} are free".format(free)
        return DeviceError(
            "{}: TensorRT makes no execution context: {}; it takes {} bytes of device memory{}".format(
                self._model, self._said(), self.context_bytes, left
            ),
            "Close what else runs, the desktop too: sudo systemctl isolate multi-user.target",
        )

    def _fit(self, shapes):
        """Give open inputs their sizes; then all are known."""
        tensors = self._adapter.tensors()
        for tensor in tensors:
            if tensor.is_input and None in tensor.shape:
                sizes = shapes.get(tensor.name)
                if sizes is None or not self._adapter.set_shape(tensor.name, sizes):
                    raise DeviceError(
                        "{}: the engine does not take input '{}' as {}: {}".format(
                            self._model, tensor.name, sizes, self._said()
                        ),
                        _again(self._model),
                    )
        fitted = [tensor._replace(shape=self._adapter.shape(tensor.name)) for tensor in tensors]
        for tensor in fitted:
            if any(size < 0 for size in tensor.shape):
                raise DeviceError(
                    "{}: how large output '{}' is depends on the numbers in the inputs, which is not"
                    " supported".format(self._model, tensor.name)
                )
        self.inputs = [tensor for tensor in fitted if tensor.is_input]
        self.outputs = [tensor for tensor in fitted if not tensor.is_input]

    def _prepare(self, graph):
        """Allocate and bind; for a graph run once (TensorRT finishes setting up then), and capture."""
        self._inputs = [self._buffer(tensor, "input") for tensor in self.inputs]
        self._outputs = [self._buffer(tensor, "output") for tensor in self.outputs]
        self._adapter.bind({buffer.name: buffer.address for buffer in self._inputs + self._outputs})
        self._launch = self._enqueue
        if graph:
            self._capture()

    def _capture(self):
        """Loops that the host decides, and other work that cannot be captured, leave it as it is."""
        for _, host, address in self._inputs:
            host.fill(0)
            self._stream.copy_in(address, host)
        self._enqueue()
        self._stream.synchronize()
        try:
            self._launch = self._stream.capture(self._enqueue)
        except DeviceError as error:
            self.graph_reason = error.message
            self._log.take()

    def _buffer(self, tensor, role):
        what = "{} '{}'".format(role, tensor.name)
        host = self._stream.host_array(tensor.shape, tensor.dtype, what)
        return _Buffer(tensor.name, host, self._stream.device_bytes(host.nbytes, what))

    def _enqueue(self):
        if not self._adapter.enqueue(self._stream.handle):
            raise DeviceError("{}: TensorRT does not run it: {}".format(self._model, self._said()))

    def _execute(self):
        self._stream.synchronize()  # it runs on a stream of its own
        if not self._adapter.execute():
            raise DeviceError("{}: TensorRT does not run it: {}".format(self._model, self._said()))

    def _said(self):
        errors, _ = self._log.take()
        return "; ".join(errors) or "it gives no reason"


def _again(model):
    return "Build it again: {}".format(program.command("build", model, "--force"))
