"""The engines of the stand-ins: what is loaded and refused, and what running them gives."""

import json

import numpy as np
import pytest

from .emulated_helpers import (
    VERSIONS,
    Quiet,
    convolution,
    engine,
    enqueue,
    importable,
    load,
    picture,
    plan,
    reference,
)

pytestmark = pytest.mark.filterwarnings("ignore:Use .* instead:DeprecationWarning")


@pytest.mark.parametrize("version", VERSIONS)
def test_an_engine_gives_what_onnx_runtime_gives(version):
    trt, data, x = load(version), convolution(), picture()
    (expected,) = reference(data, x=x)
    out = np.zeros_like(expected)
    context = engine(trt, data).create_execution_context()
    assert enqueue(trt, context, [x.ctypes.data, out.ctypes.data])
    assert np.array_equal(out, expected)  # the same runtime computed both


@pytest.mark.parametrize("version", VERSIONS)
def test_it_runs_on_memory_of_libcudart(version, cudart):
    trt, data, x = load(version), convolution(), picture()
    (expected,) = reference(data, x=x)
    out = np.zeros_like(expected)
    context = engine(trt, data).create_execution_context()
    addresses = [cudart.malloc(x.nbytes), cudart.malloc(out.nbytes)]
    stream = cudart.made("cudaStreamCreate")
    cudart.to_device(addresses[0], x, stream)
    assert enqueue(trt, context, addresses, stream.value)
    cudart.to_host(out, addresses[1], stream)
    cudart.cudaStreamSynchronize(stream)
    assert np.array_equal(out, expected)


@pytest.mark.parametrize("version", ["8.2", "10.3"])
def test_it_runs_on_memory_of_pycuda(version):
    trt, data, x = load(version), convolution(), picture()
    (expected,) = reference(data, x=x)
    with importable("python_pycuda"):
        import pycuda.autoinit  # noqa: F401 - makes the context
        import pycuda.driver as cuda

        run_with_pycuda(cuda, trt, data, x, expected)


def run_with_pycuda(cuda, trt, data, x, expected):
    out = cuda.pagelocked_empty(expected.shape, np.float32)
    context = engine(trt, data).create_execution_context()
    device_x, device_out = cuda.mem_alloc(x.nbytes), cuda.mem_alloc(out.nbytes)
    stream, start, end = cuda.Stream(), cuda.Event(), cuda.Event()
    cuda.memcpy_htod_async(device_x, x, stream)
    start.record(stream)
    assert enqueue(trt, context, [int(device_x), int(device_out)], stream.handle)
    end.record(stream)
    cuda.memcpy_dtoh_async(out, device_out, stream)
    stream.synchronize()
    assert np.array_equal(out, expected)
    assert end.time_since(start) == start.time_till(end) > 0


def test_host_memory_for_device_memory_is_an_illegal_access(cudart):
    trt, data, x = load("8.2"), convolution(), picture()
    logger = Quiet(trt)
    context = engine(trt, data, logger).create_execution_context()
    good = cudart.malloc(4 * 4 * 8 * 8)
    assert not context.execute_async_v2([x.ctypes.data, good], 0)
    assert "illegal memory access" in logger.messages[-1][1]
    assert not context.execute_async_v2([cudart.malloc(x.nbytes - 4), good], 0)


def test_a_captured_graph_computes_each_time_it_is_launched(cudart):
    trt, data, x = load("10.3"), convolution(), picture()
    context = engine(trt, data).create_execution_context()
    out = np.zeros((1, 4, 8, 8), np.float32)
    addresses = [cudart.malloc(x.nbytes), cudart.malloc(out.nbytes)]
    stream = cudart.made("cudaStreamCreate")
    cudart.cudaStreamBeginCapture(stream, 0)
    assert enqueue(trt, context, addresses, stream.value)
    graph = cudart.made_by("cudaStreamEndCapture", stream)
    run = cudart.made("cudaGraphInstantiate", graph, None, None, 0)
    for factor in (1, -1):
        cudart.to_device(addresses[0], factor * x, stream)
        cudart.cudaGraphLaunch(run, stream)
        cudart.to_host(out, addresses[1], stream)
        assert np.array_equal(out, reference(data, x=factor * x)[0])


@pytest.mark.parametrize("version", VERSIONS)
def test_layers_are_fewer_than_nodes_and_their_times_add_up_to_the_run(version):
    trt, x, out = load(version), picture(), np.zeros((1, 4, 8, 8), np.float32)
    made = engine(trt, convolution())
    assert made.num_layers == 2  # Conv + Relu, Tanh

    class Times(trt.IProfiler):
        def __init__(self):
            trt.IProfiler.__init__(self)
            self.told = []

        def report_layer_time(self, layer_name, ms):
            self.told.append((layer_name, ms))

    context = made.create_execution_context()
    context.profiler = times = Times()
    context.enqueue_emits_profile = False
    assert enqueue(trt, context, [x.ctypes.data, out.ctypes.data])
    assert times.told == []
    assert context.report_to_profiler()
    assert [name.count(" + ") for name, _ in times.told] == [1, 0]
    assert all(ms > 0 for _, ms in times.told)
    told = made.create_engine_inspector().get_engine_information(trt.LayerInformationFormat.JSON)
    assert json.loads(told)["Layers"] == [name for name, _ in times.told]


@pytest.mark.parametrize("version", VERSIONS)
def test_an_engine_of_another_version_or_a_damaged_one_gives_none(version):
    trt = load(version)
    logger = Quiet(trt)
    runtime = trt.Runtime(logger)
    other = load("8.2" if version != "8.2" else "8.6")
    assert runtime.deserialize_cuda_engine(bytes(plan(other, convolution()))) is None
    assert "Version tag does not match" in logger.messages[0][1]
    good = bytes(plan(trt, convolution()))
    for bad in (b"", b"no engine", good[:-1], good[:200] + b"!" + good[201:]):
        assert runtime.deserialize_cuda_engine(bad) is None
        assert logger.messages[-1][0] == "ERROR"
    assert runtime.deserialize_cuda_engine(good).num_layers == 2


def test_an_engine_of_another_gpu_gives_none(monkeypatch):
    trt = load("8.2")
    data = bytes(plan(trt, convolution()))
    monkeypatch.setenv("EMULATED_GPU_SM", "7.2")
    logger = Quiet(trt)
    assert trt.Runtime(logger).deserialize_cuda_engine(data) is None
    assert "expecting compute 7.2 got compute 5.3" in logger.messages[0][1]


@pytest.mark.parametrize("version", VERSIONS)
def test_what_is_dynamic_needs_a_profile_and_a_shape_within_it(version):
    trt, data = load(version), convolution(batch="n")
    logger = Quiet(trt)
    assert plan(trt, data, logger) is None
    assert "no optimization profile" in logger.messages[-1][1]
    shapes = [(batch, 3, 8, 8) for batch in (1, 2, 4)]
    made = engine(trt, data, profile={"x": shapes})
    context = made.create_execution_context()
    x, out = picture(3), np.zeros((3, 4, 8, 8), np.float32)
    if version == "8.2":
        assert made.get_profile_shape(0, 0) == [trt.Dims(shape) for shape in shapes]
        set_shape, get_shape = lambda s: context.set_binding_shape(0, s), lambda: context.get_binding_shape(1)
    else:
        assert [tuple(each) for each in made.get_tensor_profile_shape("x", 0)] == shapes
        set_shape, get_shape = (
            lambda s: context.set_input_shape("x", s),
            lambda: context.get_tensor_shape("y"),
        )
    assert not enqueue(trt, context, [x.ctypes.data, out.ctypes.data])
    assert not set_shape((5, 3, 8, 8))
    assert set_shape((3, 3, 8, 8))
    assert tuple(get_shape()) == (3, 4, 8, 8)
    assert enqueue(trt, context, [x.ctypes.data, out.ctypes.data])
    assert np.array_equal(out, reference(data, x=x)[0])


def test_outputs_can_be_nan(monkeypatch):
    trt, x, out = load("8.2"), picture(), np.zeros((1, 4, 8, 8), np.float32)
    monkeypatch.setenv("EMULATED_NAN_OUTPUTS", "1")
    assert enqueue(
        trt, engine(trt, convolution()).create_execution_context(), [x.ctypes.data, out.ctypes.data]
    )
    assert np.isnan(out).all()
