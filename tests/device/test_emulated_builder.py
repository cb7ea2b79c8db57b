"""The builders of the stand-ins: precisions, calibration, caches, progress and faults."""

import numpy as np
import pytest

from .emulated_helpers import (
    VERSIONS,
    Quiet,
    convolution,
    engine,
    enqueue,
    load,
    network,
    picture,
    plan,
    reference,
)

pytestmark = pytest.mark.filterwarnings("ignore:Use .* instead:DeprecationWarning")


def test_little_workspace_is_told_and_8_2_starts_with_little():
    for version, told in (("8.2", True), ("10.3", False)):
        trt = load(version)
        logger = Quiet(trt)
        plan(trt, convolution(), logger)
        assert any("sufficient workspace" in message for _, message in logger.messages) is told


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


@pytest.mark.parametrize(
    ("sm", "fast"),
    [("5.3", (True, False)), ("6.2", (True, False)), ("7.2", (True, True)), ("8.7", (True, True))],
)
def test_a_builder_says_what_its_gpu_is_fast_at(sm, fast, monkeypatch):
    monkeypatch.setenv("EMULATED_GPU_SM", sm)
    trt = load("8.2")
    builder = trt.Builder(Quiet(trt))
    assert (builder.platform_has_fast_fp16, builder.platform_has_fast_int8) == fast
