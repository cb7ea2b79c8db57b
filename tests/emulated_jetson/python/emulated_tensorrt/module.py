"""The module `tensorrt` of one version."""

import ctypes
import types

from . import building, calibration, context, engine, enums, logger, network, reporting
from .binding import Bound, Nothing, make_class
from .surface import VERSIONS, read_surface

IMPLEMENTATIONS = {
    "Builder": building.Builder,
    "IBuilderConfig": building.BuilderConfig,
    "IOptimizationProfile": building.Profile,
    "IPluginRegistry": building.PluginRegistry,
    "ITimingCache": building.TimingCache,
    "ICudaEngine": engine.Engine,
    "IExecutionContext": context.Context,
    "EngineInspector": reporting.Inspector,
    "Runtime": engine.Runtime,
    "IProfiler": reporting.ProfilerBase,
    "ILogger": logger.LoggerBase,
    "Logger": logger.PrintingLogger,
    "INetworkDefinition": network.Network,
    "ITensor": network.Tensor,
    "OnnxParser": network.Parser,
    "ParserError": network.ParserError,
}
BASES = {"Logger": "ILogger", "Profiler": "IProfiler"}
for kind in "EntropyCalibrator EntropyCalibrator2 LegacyCalibrator MinMaxCalibrator".split():
    BASES["IInt8" + kind] = "IInt8Calibrator"
# What 8.6 warns of (pyCore.cpp, utils::deprecate), and what it says to use.
DEPRECATED_8_6 = {
    ("ICudaEngine", "get_binding_name"): "get_tensor_name",
    ("ICudaEngine", "get_binding_index"): "get_tensor_name",
    ("ICudaEngine", "binding_is_input"): "get_tensor_mode",
    ("ICudaEngine", "get_binding_shape"): "get_tensor_shape",
    ("ICudaEngine", "get_binding_dtype"): "get_tensor_dtype",
    ("ICudaEngine", "get_location"): "get_tensor_location",
    ("ICudaEngine", "get_profile_shape"): "get_tensor_profile_shape",
    ("ICudaEngine", "is_shape_binding"): "is_shape_inference_io",
    ("IExecutionContext", "set_binding_shape"): "set_input_shape",
    ("IExecutionContext", "get_binding_shape"): "get_tensor_shape",
    ("IExecutionContext", "execute_async_v2"): "execute_async_v3",
    ("IBuilderConfig", "max_workspace_size"): "memory_pool_limit",
    ("IBuilderConfig", "min_timing_iterations"): "avg_timing_iterations",
}
BUILD_ENGINE = {("Builder", "build_engine"): "build_serialized_network"}
WITH_STATEMENT = [
    "Builder",
    "ICudaEngine",
    "IBuilderConfig",
    "IExecutionContext",
    "IHostMemory",
    "INetworkDefinition",
    "OnnxParser",
    "Runtime",
]


class Api:
    """What the implementations know of their version: its classes as attributes, its name."""

    def __init__(self, version):
        self.version = version
        self.full_version = VERSIONS[version][1]
        self.major = int(version.split(".")[0])
        self.deprecated = dict(BUILD_ENGINE) if self.major < 10 else {}
        self.deprecated.update(DEPRECATED_8_6 if version == "8.6" else {})
        self.classes = {}

    def new(self, name, implementation):
        """An object of the class `name` in front of `implementation`."""
        made = object.__new__(self.classes[name])
        made._impl = implementation
        return made

    def host_memory(self, data):
        """An IHostMemory: a buffer, with no length and no items."""
        kind = type(
            "IHostMemory", (self.classes["IHostMemory"],), {"_length_": len(data), "_type_": ctypes.c_ubyte}
        )
        return kind.from_buffer_copy(data)


def fill(module, version):
    """Put everything that TensorRT `version` ("8.2" ...) has into `module`, and EMULATED = True."""
    api = Api(version)
    surface = read_surface(version)
    api.Severity = enums.make_enumeration("Severity", dict.fromkeys(enums.KNOWN["Severity"], "value"))
    members = surface["members"]
    for name in sorted(surface["classes"], key=lambda name: name in BASES):
        api.classes[name] = make(api, name, members.get(name, {"__init__": "callable"}))
        setattr(api, name, api.classes[name])
        setattr(module, name, api.classes[name])
    for name in WITH_STATEMENT:
        api.classes[name].__enter__ = lambda self: self
        api.classes[name].__exit__ = lambda self, *raised: None
    for short, name in enums.SHORT_NAMES.items():
        if hasattr(api.DataType, name):
            setattr(module, short, getattr(api.DataType, name))
    add_functions(module, api, surface["functions"])
    module.__version__ = api.full_version
    module.EMULATED = True
    return module


def make(api, name, members):
    if "name" in members and "value" in members.values():
        made = enums.make_enumeration(name, members)
        if "itemsize" in members:
            made.itemsize = property(enums.item_size)
        return made
    if name == "Dims":
        return make_dims(members)
    if name == "IHostMemory":
        return make_host_memory(api)
    implementation = IMPLEMENTATIONS.get(name)
    if name in ("Logger", "ILogger"):
        made = make_class(api, name, members, implementation, api.classes.get(BASES.get(name), object))
        made.Severity = api.Severity
        for severity, value in api.Severity.__members__.items():
            setattr(made, severity, value)
        return made
    if name.startswith("IInt8"):
        implementation = calibration.Calibrator
    if name == "Profiler":
        implementation, members = reporting.PrintingProfiler, members_of_profiler()
    if name == "IProgressMonitor":
        implementation = Nothing
    return make_class(api, name, members, implementation, api.classes.get(BASES.get(name), object))


def members_of_profiler():
    return {"__init__": ["()"], "report_layer_time": ["(layer_name: str, ms: float)"]}


def make_dims(members):
    """Dims: a sequence of at most 8 numbers."""

    class Dims(metaclass=Bound):
        __slots__ = ("__weakref__", "_impl")
        _surface = "Dims"

        def __init__(self, shape=()):
            if isinstance(shape, str) or not all(hasattr(type(each), "__index__") for each in shape):
                raise TypeError("__init__(): incompatible constructor arguments.")
            if len(shape) > 8:
                raise ValueError("Input shape exceeds max rank 8")
            self._impl = tuple(int(each) for each in shape)

        def __len__(self):
            return len(self._impl)

        def __getitem__(self, index):
            return self._impl[index]

        def __setitem__(self, index, value):
            changed = list(self._impl)
            changed[index] = value
            self._impl = tuple(changed)

        def __eq__(self, other):
            return self._impl == tuple(other)

        __hash__ = None

        def __str__(self):
            return str(self._impl)

        __repr__ = __str__

    if "MAX_DIMS" in members:
        Dims.MAX_DIMS = 8
    Dims.__module__ = "tensorrt.tensorrt"
    return Dims


def make_host_memory(api):
    """IHostMemory; of a ctypes array it keeps the buffer alone."""

    class IHostMemory(ctypes.Array):
        _length_, _type_ = 0, ctypes.c_ubyte
        __len__ = __getitem__ = __setitem__ = __iter__ = None

        @property
        def nbytes(self):
            return ctypes.sizeof(self)

        @property
        def dtype(self):
            return api.DataType.INT8

    IHostMemory.__module__ = "tensorrt.tensorrt"
    return IHostMemory


def add_functions(module, api, names):
    known = {
        "nptype": make_nptype(api),
        "volume": volume,
        "init_libnvinfer_plugins": lambda logger, namespace: True,
        "get_plugin_registry": lambda: api.new("IPluginRegistry", building.PluginRegistry()),
        "get_nv_onnx_parser_version": lambda: api.full_version,
        "common_enter": lambda self: self,
        "common_exit": lambda self, exc_type, exc_value, traceback: None,
        "get_builder_plugin_registry": lambda capability: api.new(
            "IPluginRegistry", building.PluginRegistry()
        ),
        "shutdown_protobuf_library": lambda: None,
    }
    for name in names:
        known[name].__name__ = name
        setattr(module, name, known[name])


def volume(iterable):
    """The product of the numbers; 1 of none."""
    product = 1
    for each in iterable:
        product *= each
    return product


def make_nptype(api):
    def nptype(trt_type):
        """The numpy type of a DataType; 8.2 asks for numpy.bool, which numpy 1.24 to 1.26 lack."""
        import numpy as np

        names = {"FLOAT": "float32", "HALF": "float16", "INT8": "int8", "INT32": "int32", "UINT8": "uint8"}
        names.update(BOOL="bool" if api.version == "8.2" else "bool_", INT64="int64")
        if trt_type.name not in names:
            raise TypeError("Could not resolve TensorRT datatype to an equivalent numpy datatype.")
        return getattr(np, names[trt_type.name])

    return nptype


def load(version):
    """A module `tensorrt` of that version that is not in sys.modules, for tests that want several at once."""
    return fill(types.ModuleType("tensorrt"), version)
