"""Models and engines for the tests of the emulated board."""

import contextlib
import ctypes
import sys
from pathlib import Path

import numpy as np
import onnx
import onnx.numpy_helper
import onnx.parser
import onnxruntime

EMULATED = Path(__file__).resolve().parents[1] / "emulated_jetson"
VERSIONS = ("8.2", "8.6", "10.3", "10.16", "11.4")
WORD = 4  # bytes of a float

CONVOLUTION = """
<ir_version: 7, opset_import: ["" : 13]>
net (float[{batch}, 3, 8, 8] x) => (float[{batch}, 4, 8, 8] y) <float[4, 3, 3, 3] w = {{{weights}}}> {{
  c = Conv<pads = [1, 1, 1, 1]>(x, w)
  r = Relu(c)
  y = Tanh(r)
}}
"""


@contextlib.contextmanager
def importable(*names):
    """Let the folders `names` of tests/emulated_jetson be imported from; PyCUDA is forgotten after."""
    folders = [str(EMULATED / name) for name in names]
    sys.path[:0] = folders
    try:
        yield
    finally:
        for folder in folders:
            sys.path.remove(folder)
        for name in [each for each in sys.modules if each.split(".")[0] == "pycuda"]:
            del sys.modules[name]


def load(version):
    """The stand-in of TensorRT `version`, in no one else's way."""
    with importable("python"):
        from emulated_tensorrt.module import load as load_version
    return load_version(version)


def convolution(batch="1"):
    """The bytes of a small network of three layers, which an engine runs as two."""
    weights = ", ".join(str(round(0.02 * (i % 17) - 0.15, 3)) for i in range(108))
    return onnx.parser.parse_model(CONVOLUTION.format(batch=batch, weights=weights)).SerializeToString()


def model_of(text):
    return onnx.parser.parse_model(text).SerializeToString()


def with_half_weights(data):
    """The bytes of a model whose weights become float16, which the parser of onnx 1.11 does not read."""
    model = onnx.load_from_string(data)
    for weights in model.graph.initializer:
        halves = onnx.numpy_helper.to_array(weights).astype(np.float16)
        weights.CopyFrom(onnx.numpy_helper.from_array(halves, weights.name))
    return model.SerializeToString()


def picture(batch=1):
    return np.random.default_rng(0).normal(size=(batch, 3, 8, 8)).astype(np.float32)


def reference(data, **inputs):
    """What ONNX Runtime gives on its own."""
    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    return session.run(None, inputs)


class Quiet:
    """Makes a logger that keeps its messages."""

    def __new__(cls, trt):
        class Kept(trt.ILogger):
            def __init__(self):
                trt.ILogger.__init__(self)
                self.messages = []

            def log(self, severity, msg):
                self.messages.append((severity.name, msg))

        return Kept()


def network(trt, builder):
    """An empty network that the parser takes."""
    explicit = getattr(trt.NetworkDefinitionCreationFlag, "EXPLICIT_BATCH", None)
    return builder.create_network(0 if explicit is None else 1 << int(explicit))


def plan(trt, data, logger=None, **asked):
    """The serialized engine of a model as an IHostMemory; `asked`: profile {input: shapes}, flags."""
    logger = logger or Quiet(trt)
    builder = trt.Builder(logger)
    net = network(trt, builder)
    parser = trt.OnnxParser(net, logger)
    assert parser.parse(data), str(parser.get_error(0))
    config = builder.create_builder_config()
    for flag in asked.get("flags", ()):
        config.set_flag(getattr(trt.BuilderFlag, flag))
    if "calibrator" in asked:
        config.int8_calibrator = asked["calibrator"]
    if "profile" in asked:
        profile = builder.create_optimization_profile()
        for name, shapes in asked["profile"].items():
            profile.set_shape(name, *shapes)
        config.add_optimization_profile(profile)
    return builder.build_serialized_network(net, config)


def engine(trt, data, logger=None, **asked):
    logger = logger or Quiet(trt)
    return trt.Runtime(logger).deserialize_cuda_engine(plan(trt, data, logger, **asked))


def enqueue(trt, context, addresses, stream=0):
    """Launch by whichever API the version has; `addresses` in the order of the bindings."""
    if not hasattr(trt.ICudaEngine, "num_io_tensors"):
        return context.execute_async_v2(addresses, stream)
    for index, address in enumerate(addresses):
        context.set_tensor_address(context.engine.get_tensor_name(index), address)
    return context.execute_async_v3(stream)


class Cudart:
    """libcudart through ctypes; every call that fails raises."""

    def __init__(self, path):
        self.library = ctypes.CDLL(str(path))

    def __getattr__(self, name):
        function = getattr(self.library, name)

        def call(*words):
            status = function(*words)
            if status:
                self.library.cudaGetErrorString.restype = ctypes.c_char_p
                raise OSError(status, self.library.cudaGetErrorString(status).decode())

        return call

    def malloc(self, size):
        address = ctypes.c_void_p()
        self.cudaMalloc(ctypes.byref(address), ctypes.c_size_t(size))
        return address.value

    def to_device(self, address, array, stream=None):
        size = ctypes.c_size_t(array.nbytes)
        self.cudaMemcpyAsync(ctypes.c_void_p(address), ctypes.c_void_p(array.ctypes.data), size, 1, stream)

    def to_host(self, array, address, stream=None):
        size = ctypes.c_size_t(array.nbytes)
        self.cudaMemcpyAsync(ctypes.c_void_p(array.ctypes.data), ctypes.c_void_p(address), size, 2, stream)

    def made_by(self, end, *words):
        """The handle that a function like cudaStreamEndCapture gives last."""
        handle = ctypes.c_void_p()
        getattr(self, end)(*words, ctypes.byref(handle))
        return handle

    def made(self, create, *words):
        """The handle that a function like cudaStreamCreate makes."""
        handle = ctypes.c_void_p()
        getattr(self, create)(ctypes.byref(handle), *words)
        return handle
