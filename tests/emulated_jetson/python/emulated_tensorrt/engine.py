"""Runtime, ICudaEngine, IExecutionContext, EngineInspector: ONNX Runtime on the memory of the bindings."""

import itertools
import json
import time

from . import faults, memory, onnx_file, serialized
from .logger import tell
from .network import binding_type

DTYPES = {"FLOAT": "f4", "HALF": "f2", "INT8": "i1", "INT32": "i4", "BOOL": "?", "UINT8": "u1", "INT64": "i8"}
DTYPES["DOUBLE"] = "f8"
USAGE = "3: [executionContext.cpp] Error Code 3: API Usage Error (Parameter check failed, condition: {})"
ILLEGAL = "1: [executionContext.cpp] Error Code 1: Cuda Runtime (an illegal memory access was encountered)"
LAUNCH_FAILED = "1: [cudaDriver] Error Code 1: Cuda Runtime (unspecified launch failure)"
OUT_OF_MEMORY = "2: [executionContext.cpp] Error Code 2: OutOfMemory (no further information)"
AXES_IGNORED = (
    "ReduceMean ReduceMax ReduceMin ReduceProd ReduceL1 ReduceL2 ReduceLogSum ReduceLogSumExp".split()
)
ENQUEUES = itertools.count(1)


class Runtime:
    """Runtime: gives engines of this version and GPU, and None for all else."""

    DLA_core, num_DLA_cores, max_threads = -1, 0, 1
    error_recorder, gpu_allocator, engine_host_code_allowed = None, None, False

    def __init__(self, api, logger):
        if logger is None:
            raise TypeError("a Runtime needs a logger")
        self._api, self._logger = api, logger

    @property
    def logger(self):
        return self._logger

    def deserialize_cuda_engine(self, serialized_engine):
        data = bytes(memoryview(serialized_engine))
        if serialized.unpack(self._api, self._logger, data) is None:
            return None
        return self._api.new("ICudaEngine", Engine(self._api, self._logger, data))


class Engine:
    """ICudaEngine: the bindings of 8.x and the tensors of 8.5 on; the class before it shows what is there."""

    has_implicit_batch_dimension, max_batch_size, refittable = False, 1, False
    error_recorder, num_aux_streams, tactic_sources = None, 0, 7

    def __init__(self, api, logger, data):
        self.api, self.logger, self.data = api, logger, data
        self.head, self.onnx = serialized.unpack(api, logger, data)
        self.model = onnx_file.read_model(self.onnx)
        self.values = {value.name: value for value in self.model.inputs + self.model.outputs}
        self.names = [value.name for value in self.model.inputs + self.model.outputs]
        self.inputs = [value.name for value in self.model.inputs]
        self._session, self._output_shapes = None, {}
        self.layers = self.head["layers"]
        self.name = self.head["name"]

    # What every version has.

    @property
    def num_layers(self):
        return len(self.layers)

    @property
    def num_optimization_profiles(self):
        return max(1, len(self.head["profiles"]))

    @property
    def engine_capability(self):
        return self.api.EngineCapability.STANDARD

    @property
    def profiling_verbosity(self):
        return getattr(self.api.ProfilingVerbosity, self.head["verbosity"])

    @property
    def hardware_compatibility_level(self):
        return self.api.HardwareCompatibilityLevel.NONE

    @property
    def device_memory_size(self):
        """Bytes of inputs and outputs at their largest, rounded up to 512 each: no real engine's figure."""
        sizes = [self._largest_bytes(name) for name in self.names]
        return sum(-(-size // 512) * 512 for size in sizes)

    device_memory_size_v2 = device_memory_size

    def _largest_bytes(self, name):
        shapes = self.largest_shapes()
        size = self.api.DataType.__members__[self._type(name)].itemsize
        for dimension in shapes[name]:
            size *= max(1, dimension)
        return size

    def largest_shapes(self):
        shapes = {name: self._shape(name) for name in self.inputs}
        for profile in self.head["profiles"][:1]:
            shapes.update({name: profile[name][2] for name in profile if name in shapes})
        shapes.update(self.output_shapes(shapes))
        return shapes

    def get_device_memory_size_for_profile_v2(self, profile_index):
        return self.device_memory_size

    get_device_memory_size_for_profile = get_device_memory_size_for_profile_v2

    def serialize(self):
        return self.api.host_memory(self.data)

    def create_execution_context(self, strategy=None):
        if faults.asked("CONTEXT_OUT_OF_MEMORY"):
            tell(self.api, self.logger, "ERROR", OUT_OF_MEMORY)
            return None
        return self.api.new("IExecutionContext", Context(self))

    def create_execution_context_without_device_memory(self):
        return self.create_execution_context()

    def create_engine_inspector(self):
        return self.api.new("EngineInspector", Inspector(self))

    # Bindings: 8.x alone.

    @property
    def num_bindings(self):
        return len(self.names) * self.num_optimization_profiles

    def __len__(self):
        return self.num_bindings

    def __getitem__(self, which):
        return self.get_binding_index(which) if isinstance(which, str) else self.get_binding_name(which)

    def find(self, which):
        """The name of a binding given by number or name; of a further profile's, the same tensor."""
        if isinstance(which, str):
            return which if which in self.values else None
        return self.names[which % len(self.names)] if 0 <= which < self.num_bindings else None

    def get_binding_name(self, index):
        profile = index // len(self.names)
        name = self.find(index)
        return name if name is None or profile == 0 else f"{name} [profile {profile}]"

    def get_binding_index(self, name):
        return self.names.index(name) if name in self.names else -1

    def binding_is_input(self, which):
        return self.find(which) in self.inputs

    def get_binding_shape(self, which):
        return self.get_tensor_shape(self.find(which))

    def get_binding_dtype(self, which):
        return self.get_tensor_dtype(self.find(which))

    def get_location(self, which):
        return self.api.TensorLocation.DEVICE

    def get_profile_shape(self, profile_index, binding):
        return self.get_tensor_profile_shape(self.find(binding), profile_index)

    def is_shape_binding(self, binding):
        return False

    def is_execution_binding(self, binding):
        return True

    def get_binding_bytes_per_component(self, index):
        return self.get_tensor_dtype(self.find(index)).itemsize

    def get_binding_components_per_element(self, index):
        return -1

    def get_binding_format(self, index):
        return self.api.TensorFormat.LINEAR

    def get_binding_format_desc(self, index):
        return "Row major linear format (kLINEAR)"

    def get_binding_vectorized_dim(self, index):
        return -1

    # Tensors: from 8.5 on.

    @property
    def num_io_tensors(self):
        return len(self.names)

    def get_tensor_name(self, index):
        return self.names[index] if 0 <= index < len(self.names) else None

    def get_tensor_mode(self, name):
        if name not in self.values:
            return self.api.TensorIOMode.NONE
        return self.api.TensorIOMode.INPUT if name in self.inputs else self.api.TensorIOMode.OUTPUT

    def get_tensor_shape(self, name):
        if name not in self.values:
            return self.api.Dims([-1])
        return self.api.Dims(self._shape(name))

    def get_tensor_dtype(self, name):
        return getattr(self.api.DataType, self._type(name) if name in self.values else "FLOAT")

    def get_tensor_location(self, name):
        return self.api.TensorLocation.DEVICE

    def get_tensor_format(self, name, profile_index=0):
        return self.api.TensorFormat.LINEAR

    def get_tensor_format_desc(self, name, profile_index=0):
        return self.get_binding_format_desc(0)

    def get_tensor_bytes_per_component(self, name, profile_index=0):
        return self.get_tensor_dtype(name).itemsize

    def get_tensor_components_per_element(self, name, profile_index=0):
        return -1

    def get_tensor_vectorized_dim(self, name, profile_index=0):
        return -1

    def is_shape_inference_io(self, name):
        return False

    def get_tensor_profile_shape(self, name, profile_index):
        if profile_index < len(self.head["profiles"]) and name in self.head["profiles"][profile_index]:
            return [self.api.Dims(shape) for shape in self.head["profiles"][profile_index][name]]
        return [self.get_tensor_shape(name)] * 3

    # What stands behind them.

    def _type(self, name):
        return binding_type(self.api, self.values[name].type)

    def _shape(self, name):
        shape = [each if isinstance(each, int) else -1 for each in self.values[name].shape]
        inputs = {
            each: [d if isinstance(d, int) else -1 for d in self.values[each].shape] for each in self.inputs
        }
        if name not in self.inputs and not any(-1 in shape for shape in inputs.values()):
            return self.output_shapes(inputs)[name]
        return shape

    def session(self):
        if self._session is None:
            import onnxruntime

            options = onnxruntime.SessionOptions()
            options.intra_op_num_threads = options.inter_op_num_threads = 1
            options.log_severity_level = 3
            providers = ["CPUExecutionProvider"]
            data = self.onnx
            if self.api.major < 10:  # these parsers read axes from the attribute alone: without it, all
                data = onnx_file.without_second_inputs(data, AXES_IGNORED)
            self._session = onnxruntime.InferenceSession(data, options, providers=providers)
        return self._session

    def output_shapes(self, shapes):
        """{output: shape} at these shapes of the inputs, found by running zeros."""
        key = json.dumps(shapes, sort_keys=True)
        if key not in self._output_shapes:
            import numpy as np

            feeds = {name: np.zeros(shapes[name], DTYPES[self.values[name].type]) for name in self.inputs}
            found = self.session().run(None, feeds)
            self._output_shapes[key] = {v.name: list(y.shape) for v, y in zip(self.model.outputs, found)}
        return self._output_shapes[key]

    def compute(self, addresses, shapes):
        """Read the inputs where they lie, run, and write the outputs where they shall be."""
        import numpy as np

        feeds = {}
        for name in self.inputs:
            data = memory.view(addresses[name], DTYPES[self._type(name)], shapes[name])
            feeds[name] = self._round(data, name).astype(DTYPES[self.values[name].type])
        for value, found in zip(self.model.outputs, self.session().run(None, feeds)):
            out = memory.view(addresses[value.name], DTYPES[self._type(value.name)], found.shape)
            out[...] = self._round(found, None)
            if faults.asked("NAN_OUTPUTS") and out.dtype.kind == "f":
                out[...] = np.nan

    def _round(self, data, name):
        """What the precision leaves of an input, or of an output (None): real kernels round everywhere."""
        import numpy as np

        if data.dtype != np.float32:
            return data
        if self.head["precision"] == "fp16":
            with np.errstate(over="ignore"):
                return data.astype(np.float16).astype(np.float32)
        largest = self.head["ranges"].get(name)
        if largest:
            return (np.clip(np.round(data / (largest / 127)), -128, 127) * (largest / 127)).astype(np.float32)
        return data


class Context:
    """IExecutionContext: a launch computes at once, on the thread that enqueues it."""

    debug_sync, active_optimization_profile, persistent_cache_limit = False, 0, 0
    error_recorder, temporary_allocator, nvtx_verbosity = None, None, None
    name = "Unnamed ExecutionContext 0"

    def __init__(self, engine):
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
        start = time.perf_counter()
        self._engine.compute(addresses, shapes)
        spent = time.perf_counter() - start
        missing = faults.number("LATENCY_MS") / 1000 - spent
        if missing > 0:
            time.sleep(missing)
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


class Inspector:
    """EngineInspector: names of layers, and with DETAILED verbosity a little of each."""

    error_recorder, execution_context = None, None

    def __init__(self, engine):
        self._engine = engine

    def _layer(self, index):
        name = self._engine.layers[index]
        if self._engine.head["verbosity"] in ("DETAILED", "VERBOSE"):
            return {"Name": name, "LayerType": "Emulated", "Precision": self._engine.head["precision"]}
        return name

    def get_layer_information(self, layer_index, format):  # noqa: A002 - the argument's name in TensorRT
        layer = self._layer(layer_index)
        return json.dumps(layer) if format.name == "JSON" else str(layer)

    def get_engine_information(self, format):  # noqa: A002 - the argument's name in TensorRT
        layers = [self._layer(index) for index in range(len(self._engine.layers))]
        if format.name == "JSON":
            return json.dumps({"Layers": layers, "Bindings": self._engine.names})
        return "\n".join(map(str, layers)) + "\n"


class ProfilerBase:
    """IProfiler: a class derived from it gets the time of each layer."""

    def __init__(self, api):
        pass

    def report_layer_time(self, layer_name, ms):
        raise NotImplementedError('Tried to call pure virtual function "IProfiler::report_layer_time"')


class PrintingProfiler:
    """Profiler: prints."""

    def __init__(self, api):
        pass

    def report_layer_time(self, layer_name, ms):
        print(f"{layer_name}: {ms}ms")
