"""IExecutionContext: shapes, addresses and launches."""

import itertools
import time

from . import faults, memory, meter
from .logger import tell

USAGE = "3: [executionContext.cpp] Error Code 3: API Usage Error (Parameter check failed, condition: {})"
ILLEGAL = "1: [executionContext.cpp] Error Code 1: Cuda Runtime (an illegal memory access was encountered)"
LAUNCH_FAILED = "1: [cudaDriver] Error Code 1: Cuda Runtime (unspecified launch failure)"
ENQUEUES = itertools.count(1)


class Context:
    """IExecutionContext: a launch computes at once, on the thread that enqueues it."""

    debug_sync, active_optimization_profile, persistent_cache_limit = False, 0, 0
    error_recorder, temporary_allocator, nvtx_verbosity = None, None, None
    name = "Unnamed ExecutionContext 0"

    def __init__(self, engine):
        meter.start()
        self._engine, self._api = engine, engine.api
        self.profiler, self.enqueue_emits_profile = None, True
        self._facade = engine.api.new("ICudaEngine", engine)
        self._shapes = {name: engine._shape(name) for name in engine.inputs}
        self._addresses, self._last_ms, self._consumed = {}, None, 0

    @property
    def engine(self):
        return self._facade

    def _set_device_memory(self, value):
        self._memory = value

    device_memory = property(None, _set_device_memory)

    # Shapes.

    @property
    def all_binding_shapes_specified(self):
        return not any(-1 in shape for shape in self._shapes.values())

    @property
    def all_shape_inputs_specified(self):
        return True

    def set_input_shape(self, name, shape):
        shape = list(shape)
        if name not in self._shapes:
            return self._refuse("name is an input: " + str(name))
        fixed = self._engine._shape(name)
        low, _, high = [list(each) for each in self._engine.get_tensor_profile_shape(name, 0)]
        if len(shape) != len(fixed) or any(f not in (-1, s) for f, s in zip(fixed, shape)):
            return self._refuse(
                "engineDims.d[i] == dims.d[i]. Static dimension mismatch while setting input shape."
            )
        if -1 in fixed and any(not a <= s <= b for a, s, b in zip(low, shape, high)):
            return self._refuse("profileMinDims.d[i] <= dimensions.d[i] <= profileMaxDims.d[i]")
        self._shapes[name] = shape
        return True

    def set_binding_shape(self, binding, shape):
        return self.set_input_shape(self._engine.find(binding), shape)

    def get_tensor_shape(self, name):
        return self._api.Dims(self._shape(name))

    def get_binding_shape(self, binding):
        return self._api.Dims(self._shape(self._engine.find(binding)))

    def _shape(self, name):
        if name in self._shapes:
            return self._shapes[name]
        if not self.all_binding_shapes_specified:
            return self._engine._shape(name)
        return self._engine.output_shapes(self._shapes)[name]

    def get_tensor_strides(self, name):
        strides, step = [], 1
        for dimension in reversed(self._shape(name)):
            strides.insert(0, step)
            step *= dimension
        return self._api.Dims(strides)

    def get_strides(self, binding):
        return self.get_tensor_strides(self._engine.find(binding))

    def infer_shapes(self):
        """The names of the inputs whose shapes are still needed."""
        return [name for name in self._shapes if -1 in self._shapes[name]]

    def set_optimization_profile_async(self, profile_index, stream_handle):
        self.active_optimization_profile = profile_index
        return 0 <= profile_index < self._engine.num_optimization_profiles

    # Addresses.

    def set_tensor_address(self, name, memory):
        if name not in self._engine.values:
            return self._refuse(
                f"Given invalid tensor name: {name}. Get valid tensor names with getIOTensorName()"
            )
        self._addresses[name] = memory
        return True

    def get_tensor_address(self, name):
        return self._addresses.get(name, 0)

    def get_max_output_size(self, name):
        return self._engine._largest_bytes(name)

    def set_input_consumed_event(self, event):
        self._consumed = event
        return True

    def get_input_consumed_event(self):
        return self._consumed

    def set_aux_streams(self, aux_streams):
        """There is one stream's work at a time."""

    # Launches.

    def execute(self, batch_size, bindings):
        return self._refuse("!mEngine.hasImplicitBatchDimension()")

    def execute_async(self, batch_size, bindings, stream_handle, input_consumed):
        return self.execute(batch_size, bindings)

    def execute_v2(self, bindings):
        return self._enqueue(self._of_bindings(bindings), 0, emit=True)

    def execute_async_v2(self, bindings, stream_handle, input_consumed):
        return self._enqueue(self._of_bindings(bindings), stream_handle, self.enqueue_emits_profile)

    def execute_async_v3(self, stream_handle):
        return self._enqueue(dict(self._addresses), stream_handle, self.enqueue_emits_profile)

    def _of_bindings(self, bindings):
        names = self._engine.names
        first = self.active_optimization_profile * len(names) if len(bindings) > len(names) else 0
        return dict(zip(names, bindings[first : first + len(names)]))

    def _enqueue(self, addresses, stream, emit):
        if not self.all_binding_shapes_specified:
            return self._refuse("allInputDimensionsSpecified(routine)")
        for name in self._engine.names:
            if not addresses.get(name):
                return self._refuse("bindings[x] || nullBindingOK. Address is not set for tensor " + name)
            if not memory.is_device(addresses[name], self._bytes(name)):
                tell(self._api, self._engine.logger, "ERROR", ILLEGAL)
                return False
        if next(ENQUEUES) == faults.number("ENQUEUE_FAILS"):
            tell(self._api, self._engine.logger, "ERROR", LAUNCH_FAILED)
            return False
        shapes = dict(self._shapes)
        memory.launch(stream, lambda: self._compute(addresses, shapes, emit))
        return True

    def _bytes(self, name):
        size = self._engine.get_tensor_dtype(name).itemsize
        for dimension in self._shape(name):
            size *= dimension
        return size

    def _compute(self, addresses, shapes, emit):
        meter.note_load()
        start = time.perf_counter()
        self._engine.compute(addresses, shapes)
        spent = time.perf_counter() - start
        missing = faults.number("LATENCY_MS") / 1000 - spent
        if missing > 0:
            time.sleep(missing)
        meter.note_load()
        self._last_ms = 1000 * (time.perf_counter() - start)
        if emit:
            self._report()

    # Profiling.

    def report_to_profiler(self):
        if self.profiler is None or self._last_ms is None:
            return False
        self._report()
        return True

    def _report(self):
        """Each layer's share: only the sum was measured, the shares are equal."""
        if self.profiler is None:
            return
        for layer in self._engine.layers:
            self.profiler.report_layer_time(layer, self._last_ms / len(self._engine.layers))

    def _refuse(self, condition):
        tell(self._api, self._engine.logger, "ERROR", USAGE.format(condition))
        return False
