"""The stand-ins of TensorRT at work: what is built, refused, run and reported."""

import json

import numpy as np
import onnx
import pytest

from .emulated_helpers import (
    VERSIONS,
    Cudart,
    Quiet,
    convolution,
    engine,
    enqueue,
    importable,
    load,
    model_of,
    network,
    picture,
    plan,
    reference,
)

pytestmark = pytest.mark.filterwarnings("ignore:Use .* instead:DeprecationWarning")

OLD = ("8.2", "8.6")
NEW = ("10.3", "10.16", "11.4")
UNKNOWN = """
<ir_version: 7, opset_import: ["" : 13, "own" : 1]>
net (float[1, 4] x) => (float[1, 4] y) {
  a = own.Flub(x)
  b = Relu(a)
  y = own.Blarg(b)
}
"""
GELU = '<ir_version: 9, opset_import: ["" : 20]> net (float[1, 4] x) => (float[1, 4] y) { y = Gelu(x) }'
RESHAPE = """
<ir_version: 8, opset_import: ["" : 14]>
net (float[1, 4] x) => (float[2, 2] y) <int64[2] s = {2, 2}> { y = Reshape(x, s) }
"""
INDICES = """
<ir_version: 7, opset_import: ["" : 13]>
net (int64[1, 3] i) => (float[1, 3, 2] y) <float[4, 2] t = {0, 1, 2, 3, 4, 5, 6, 7}> { y = Gather(t, i) }
"""


@pytest.fixture
def cudart(monkeypatch):
    from tests.emulated_jetson.board import compile_libcudart

    monkeypatch.setenv("EMULATED_LIBCUDART", str(compile_libcudart()))
    return Cudart(compile_libcudart())


def arrays(*each):
    return [np.ascontiguousarray(array).ctypes.data for array in each]


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
def test_the_parser_names_what_it_cannot_import(version):
    trt = load(version)
    logger = Quiet(trt)
    builder = trt.Builder(logger)
    parser = trt.OnnxParser(network(trt, builder), logger)
    assert not parser.parse(model_of(UNKNOWN))
    errors = [parser.get_error(i) for i in range(parser.num_errors)]
    assert [error.node() for error in errors] == ([0] if version in OLD else [0, 2])
    assert errors[0].code() == trt.ErrorCode.UNSUPPORTED_NODE
    assert any("No importer registered for op: Flub" in text for _, text in logger.messages)
    if version in NEW:
        assert [error.node_operator() for error in errors] == ["Flub", "Blarg"]
    parser.clear_errors()
    assert parser.num_errors == 0


def test_an_operator_comes_with_the_version_that_has_it():
    parses = {}
    for version in VERSIONS:
        trt = load(version)
        parser = trt.OnnxParser(network(trt, trt.Builder(Quiet(trt))), Quiet(trt))
        parses[version] = [parser.parse(model_of(text)) for text in (GELU, RESHAPE)]
    assert parses["8.2"] == [False, False]
    assert parses["8.6"] == [False, True]
    assert parses["10.3"] == parses["11.4"] == [True, True]


@pytest.mark.parametrize("version", OLD)
def test_before_10_the_parser_wants_an_explicit_batch(version):
    trt = load(version)
    parser = trt.OnnxParser(trt.Builder(Quiet(trt)).create_network(), Quiet(trt))
    assert not parser.parse(convolution())
    assert "EXPLICIT_BATCH" in parser.get_error(0).desc()


@pytest.mark.parametrize("version", VERSIONS)
def test_a_file_that_is_no_model_is_refused(version, tmp_path):
    trt = load(version)
    parser = trt.OnnxParser(network(trt, trt.Builder(Quiet(trt))), Quiet(trt))
    assert not parser.parse(convolution()[:-3])
    assert parser.num_errors == 1
    assert not parser.parse_from_file(str(tmp_path / "missing.onnx"))
    (tmp_path / "m.onnx").write_bytes(convolution())
    assert parser.parse_from_file(str(tmp_path / "m.onnx"))


def test_weights_in_a_file_beside_the_model_are_found_from_its_path_alone(tmp_path):
    model = onnx.load_from_string(convolution())
    weights = onnx.numpy_helper.to_array(model.graph.initializer[0])
    model.graph.initializer[0].CopyFrom(onnx.numpy_helper.from_array(weights, "w"))  # only bytes go outside
    beside = {"save_as_external_data": True, "location": "weights.bin", "size_threshold": 0}
    onnx.save(model, str(tmp_path / "m.onnx"), **beside)
    data, x = (tmp_path / "m.onnx").read_bytes(), picture()
    trt = load("8.2")
    builder = trt.Builder(Quiet(trt))
    net = network(trt, builder)
    parser = trt.OnnxParser(net, Quiet(trt))
    assert not parser.parse(data)
    assert "weights.bin" in parser.get_error(0).desc()
    assert parser.parse_from_file(str(tmp_path / "m.onnx"))
    made = builder.build_serialized_network(net, builder.create_builder_config())
    out = np.zeros((1, 4, 8, 8), np.float32)
    context = trt.Runtime(Quiet(trt)).deserialize_cuda_engine(made).create_execution_context()
    assert enqueue(trt, context, [x.ctypes.data, out.ctypes.data])
    assert np.array_equal(out, reference(convolution(), x=x)[0])


@pytest.mark.parametrize("version", VERSIONS)
def test_a_wide_integer_is_narrow_before_10(version):
    trt, out = load(version), np.zeros((1, 3, 2), np.float32)
    made = engine(trt, model_of(INDICES))
    tensor_api = hasattr(made, "num_io_tensors")
    kind = made.get_tensor_dtype("i") if tensor_api else made.get_binding_dtype("i")
    assert kind.name == ("INT32" if version in OLD else "INT64")
    indices = np.array([[3, 0, 1]], trt.nptype(kind))
    assert enqueue(trt, made.create_execution_context(), [indices.ctypes.data, out.ctypes.data])
    assert out.tolist() == [[[6, 7], [0, 1], [2, 3]]]


def test_before_10_axes_given_as_an_input_are_silently_all_of_them():
    pytest.importorskip("onnxruntime", "1.14", reason="ONNX Runtime knows opset 18 since 1.14")
    text = """
    <ir_version: 8, opset_import: ["" : 18]>
    net (float[2, 3] x) => (float[1, 3] y) <int64[1] axes = {0}> { y = ReduceMean(x, axes) }
    """
    x = np.arange(6, dtype=np.float32).reshape(2, 3)
    shapes = {}
    for version in ("8.2", "8.6", "10.3"):
        trt = load(version)
        logger = Quiet(trt)
        made = engine(trt, model_of(text), logger)
        wide = any("does not natively support INT64" in message for _, message in logger.messages)
        assert wide is (version in OLD)
        shapes[version] = tuple(made.get_binding_shape(1) if version == "8.2" else made.get_tensor_shape("y"))
        out = np.zeros(shapes[version], np.float32)
        assert enqueue(trt, made.create_execution_context(), arrays(x, out))
        assert np.array_equal(out, x.mean() * np.ones((1, 1)) if version in OLD else x.mean(0, keepdims=True))
    assert shapes == {"8.2": (1, 1), "8.6": (1, 1), "10.3": (1, 3)}


def test_little_workspace_is_told_and_8_2_starts_with_little():
    for version, told in (("8.2", True), ("10.3", False)):
        trt = load(version)
        logger = Quiet(trt)
        plan(trt, convolution(), logger)
        assert any("sufficient workspace" in message for _, message in logger.messages) is told


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
    assert not enqueue(trt, context, arrays(x, out))
    assert not set_shape((5, 3, 8, 8))
    assert set_shape((3, 3, 8, 8))
    assert tuple(get_shape()) == (3, 4, 8, 8)
    assert enqueue(trt, context, [x.ctypes.data, out.ctypes.data])
    assert np.array_equal(out, reference(data, x=x)[0])


def test_half_precision_rounds_and_full_precision_does_not():
    trt, data, x = load("8.2"), convolution(), picture()
    out = np.zeros((1, 4, 8, 8), np.float32)
    context = engine(trt, data, flags=["FP16"]).create_execution_context()
    assert enqueue(trt, context, [x.ctypes.data, out.ctypes.data])
    (expected,) = reference(data, x=x)
    difference = float(np.abs(out - expected).max())
    assert 0 < difference < 4e-3  # outputs within 1, inputs of 27 products rounded to 11 bits


def test_calibration_reads_the_batches_from_the_device_and_its_cache_afterwards(cudart):
    trt, data, x = load("8.2"), convolution(), picture()
    address = cudart.malloc(x.nbytes)

    class Calibrator(trt.IInt8EntropyCalibrator2):
        def __init__(self):
            trt.IInt8EntropyCalibrator2.__init__(self)
            self.batches, self.cache, self.asked = [x, 2 * x], None, 0

        def get_batch_size(self):
            return 1

        def get_batch(self, names):
            assert names == ["x"]
            self.asked += 1
            if not self.batches:
                return None
            cudart.to_device(address, self.batches.pop())
            return [address]

        def read_calibration_cache(self):
            return self.cache

        def write_calibration_cache(self, cache):
            self.cache = bytes(cache)

    calibrator = Calibrator()
    first = bytes(plan(trt, data, flags=["INT8"], calibrator=calibrator))
    assert calibrator.asked == 3
    largest = float(calibrator.cache.split(b": ")[1])
    assert largest == pytest.approx(2 * np.abs(x).max())
    assert bytes(plan(trt, data, flags=["INT8"], calibrator=calibrator)) == first
    assert calibrator.asked == 3


@pytest.mark.parametrize("version", VERSIONS)
def test_a_timing_cache_comes_back_to_its_own_version_alone(version):
    trt = load(version)
    builder = trt.Builder(Quiet(trt))
    config = builder.create_builder_config()
    cache = config.create_timing_cache(b"")
    config.set_timing_cache(cache, False)
    net = network(trt, builder)
    trt.OnnxParser(net, Quiet(trt)).parse(convolution())
    assert builder.build_serialized_network(net, config) is not None
    data = bytes(config.get_timing_cache().serialize())
    assert config.create_timing_cache(data) is not None
    other = load("8.2" if version != "8.2" else "8.6")
    assert other.Builder(Quiet(other)).create_builder_config().create_timing_cache(data) is None


def test_a_progress_monitor_sees_the_build_and_may_stop_it():
    trt = load("10.3")

    class Monitor(trt.IProgressMonitor):
        def __init__(self, patience):
            trt.IProgressMonitor.__init__(self)
            self.steps, self.patience = [], patience

        def phase_start(self, phase_name, parent_phase, num_steps):
            self.steps.append(num_steps)

        def phase_finish(self, phase_name):
            self.steps.append("end")

        def step_complete(self, phase_name, step):
            self.steps.append(step)
            return len(self.steps) < self.patience

    for patience, built in ((100, True), (2, False)):
        builder = trt.Builder(Quiet(trt))
        net = network(trt, builder)
        trt.OnnxParser(net, Quiet(trt)).parse(convolution())
        config = builder.create_builder_config()
        config.progress_monitor = monitor = Monitor(patience)
        assert (builder.build_serialized_network(net, config) is not None) is built
        assert monitor.steps[0] == 4
        assert monitor.steps[-1] == "end"


def test_serialized_memory_is_a_buffer_and_has_no_length(tmp_path):
    trt = load("10.3")
    made = plan(trt, convolution())
    assert isinstance(made, trt.IHostMemory)
    assert len(bytes(made)) == made.nbytes == memoryview(made).nbytes
    with (tmp_path / "engine").open("wb") as file:
        file.write(made)
    assert (tmp_path / "engine").read_bytes() == bytes(made)
    with pytest.raises(TypeError):
        len(made)


@pytest.mark.parametrize(
    ("fault", "effect"),
    [("BUILD_FAILS", "Could not find any implementation"), ("CONTEXT_OUT_OF_MEMORY", "OutOfMemory")],
)
def test_a_fault_that_is_asked_for_comes(fault, effect, monkeypatch):
    trt = load("8.2")
    logger = Quiet(trt)
    monkeypatch.setenv("EMULATED_" + fault, "1")
    made = plan(trt, convolution(), logger)
    if made is not None:
        made = trt.Runtime(logger).deserialize_cuda_engine(made).create_execution_context()
    assert made is None
    assert effect in logger.messages[-1][1]


def test_outputs_can_be_nan(monkeypatch):
    trt, x, out = load("8.2"), picture(), np.zeros((1, 4, 8, 8), np.float32)
    monkeypatch.setenv("EMULATED_NAN_OUTPUTS", "1")
    assert enqueue(trt, engine(trt, convolution()).create_execution_context(), arrays(x, out))
    assert np.isnan(out).all()


@pytest.mark.parametrize(
    ("sm", "fast"),
    [("5.3", (True, False)), ("6.2", (True, False)), ("7.2", (True, True)), ("8.7", (True, True))],
)
def test_a_builder_says_what_its_gpu_is_fast_at(sm, fast, monkeypatch):
    monkeypatch.setenv("EMULATED_GPU_SM", sm)
    trt = load("8.2")
    builder = trt.Builder(Quiet(trt))
    assert (builder.platform_has_fast_fp16, builder.platform_has_fast_int8) == fast


def test_the_printing_logger_keeps_to_its_severity(capsys):
    trt = load("8.2")
    parser = trt.OnnxParser(trt.Builder(trt.Logger()).create_network(1), trt.Logger(trt.Logger.ERROR))
    parser.parse(b"no model")
    told = capsys.readouterr()
    assert told.out == ""
    assert "[TRT] [E] ModelImporter.cpp" in told.err
