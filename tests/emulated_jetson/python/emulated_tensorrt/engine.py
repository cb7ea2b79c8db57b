"""Runtime and ICudaEngine: an ONNX file that ONNX Runtime computes on the memory of the bindings."""

import json

from . import faults, memory, onnx_file, serialized
from .context import Context
from .logger import tell
from .network import binding_type
from .reporting import Inspector

DTYPES = {"FLOAT": "f4", "HALF": "f2", "INT8": "i1", "INT32": "i4", "BOOL": "?", "UINT8": "u1", "INT64": "i8"}
DTYPES["DOUBLE"] = "f8"
OUT_OF_MEMORY = "2: [executionContext.cpp] Error Code 2: OutOfMemory (no further information)"
# What the parsers before 10 read from the attribute `axes` alone; without it they take all axes.
AXES_IGNORED = (
    "ReduceMean ReduceMax ReduceMin ReduceProd ReduceL1 ReduceL2 ReduceLogSum ReduceLogSumExp".split()
)


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
            if self.api.major < 10:
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
