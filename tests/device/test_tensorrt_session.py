"""One engine in this process, on the emulated board: what it gives, what it takes, and what it gives back."""

import numpy as np
import pytest
from edgeshrink_device import cuda
from edgeshrink_device.errors import DeviceError, InputError
from edgeshrink_device.inference import layers
from edgeshrink_device.inference.binding_api import BindingApi
from edgeshrink_device.inference.session import Session
from edgeshrink_device.inference.tensor_api import TensorApi

from tests.emulated_jetson.board import board

from . import engine_helpers
from .emulated_helpers import VERSIONS, convolution, load, model_of, picture, plan, reference
from .inference_helpers import LOOKUP

OPEN = {"profile": {"x": [(1, 3, 8, 8), (2, 3, 8, 8), (4, 3, 8, 8)]}}


@pytest.fixture
def on_board(tmp_path, monkeypatch):
    """A function that puts this process on a board, and gives its tensorrt."""

    def go(version="8.2", **options):
        board(tmp_path, tensorrt=version, **options).use(monkeypatch)
        import tensorrt

        return tensorrt

    engine_helpers.forget()
    yield go
    engine_helpers.forget()


def built(trt, data=None, **asked):
    return bytes(memoryview(plan(trt, data or convolution(), **asked)))


@pytest.mark.parametrize("pycuda", [False, True], ids=["ctypes", "pycuda"])
@pytest.mark.parametrize("version", VERSIONS)
def test_an_engine_gives_what_the_model_gives(version, pycuda, on_board):
    trt = on_board(version, pycuda=pycuda)
    session = Session(built(trt), "model.onnx", {})
    for feed in (picture(), -picture()):
        found = session.run({"x": feed})
        assert np.allclose(found[0], reference(convolution(), x=feed)[0], atol=1e-6, rtol=0)
        assert session.gpu_seconds() > 0
    assert isinstance(session._adapter, BindingApi if version == "8.2" else TensorApi)
    assert session.versions()["tensorrt"] == trt.__version__
    assert session.emulated
    assert session.context_bytes > 0
    session.close()


@pytest.mark.parametrize("version", ["8.2", "8.6", "11.4"])
def test_open_sizes_are_those_asked_for(version, on_board):
    data = convolution("n")
    session = Session(built(on_board(version), data, **OPEN), "model.onnx", {"x": (2, 3, 8, 8)})
    assert [tensor.shape for tensor in session.inputs + session.outputs] == [(2, 3, 8, 8), (2, 4, 8, 8)]
    assert np.allclose(session.run({"x": picture(2)})[0], reference(data, x=picture(2))[0], atol=1e-6, rtol=0)
    with pytest.raises(InputError, match=r"input 'x' is \[1, 3, 8, 8\], the engine takes \[2, 3, 8, 8\]"):
        session.run({"x": picture(1)})
    session.close()


@pytest.mark.parametrize("shapes", [{}, {"x": (9, 3, 8, 8)}])
def test_sizes_that_the_engine_does_not_take_are_refused(shapes, on_board):
    trt = on_board("10.3")
    with pytest.raises(DeviceError, match="the engine does not take input 'x' as"):
        Session(built(trt, convolution("n"), **OPEN), "model.onnx", shapes)


@pytest.mark.parametrize(("version", "dtype"), [("8.2", "int32"), ("10.3", "int64")])
def test_whole_numbers_are_bound_as_this_tensorrt_computes_them(version, dtype, on_board):
    session = Session(built(on_board(version), model_of(LOOKUP)), "model.onnx", {})
    assert [tensor.dtype for tensor in session.inputs + session.outputs] == [dtype, "float32", dtype]
    y, j = session.run({"i": np.array([2, 0], dtype)})
    assert y.tolist() == [[5, 6], [1, 2]]
    assert j.tolist() == [2, 0]
    session.close()


@pytest.mark.parametrize("version", VERSIONS)
def test_a_graph_gives_the_same(version, on_board):
    session = Session(built(on_board(version)), "model.onnx", {}, graph=True)
    assert session.graph_reason is None
    for feed in (picture(), -picture()):
        found = session.run({"x": feed})[0]
        assert np.allclose(found, reference(convolution(), x=feed)[0], atol=1e-6, rtol=0)
    session.close()


def test_where_no_graph_can_be_captured_it_says_why_and_runs_on(on_board):
    session = Session(built(on_board("10.3", pycuda=True, cudart=False)), "model.onnx", {}, graph=True)
    assert session.graph_reason == "PyCUDA 2022.1 captures no graphs"
    found = session.run({"x": picture()})[0]
    assert np.allclose(found, reference(convolution(), x=picture())[0], atol=1e-6, rtol=0)
    session.close()


@pytest.mark.parametrize("pycuda", [False, True], ids=["ctypes", "pycuda"])
def test_a_thousand_runs_take_no_more_memory_and_closing_frees_it(pycuda, on_board):
    trt = on_board(pycuda=pycuda)
    with cuda.open_stream() as stream:
        free = stream.memory()[0]
        session = Session(built(trt), "model.onnx", {})
        session.run({"x": picture()})
        running = stream.memory()[0]
        assert running < free
        for _ in range(1000):
            session.run({"x": picture()})
        assert stream.memory()[0] == running
        session.close()
        assert stream.memory()[0] == free


@pytest.mark.parametrize("allocation", range(1, 5))
def test_out_of_memory_names_what_it_was_for_and_frees_the_rest(allocation, on_board, monkeypatch):
    trt = on_board()
    data = built(trt)
    with cuda.open_stream() as stream:
        free = stream.memory()[0]
        monkeypatch.setenv("EMULATED_OUT_OF_MEMORY", str(allocation))
        with pytest.raises(DeviceError, match="out of memory on the device") as caught:
            Session(data, "model.onnx", {})
        assert ("(input 'x'" in caught.value.message) is (allocation <= 2)
        assert ("(output 'y'" in caught.value.message) is (allocation > 2)
        assert stream.memory()[0] == free


def test_an_engine_of_another_tensorrt_is_refused_in_its_words(on_board):
    on_board("10.3")
    data = built(load("10.16"))
    with pytest.raises(DeviceError, match="Version tag does not match") as caught:
        Session(data, "model.onnx", {})
    assert "edgeshrink_device build model.onnx --force" in caught.value.hint


def test_a_damaged_engine_is_refused(on_board):
    data = bytearray(built(on_board("10.3")))
    data[len(data) // 2] ^= 1
    with pytest.raises(DeviceError, match="TensorRT does not load its engine"):
        Session(bytes(data), "model.onnx", {})


def test_no_context_says_how_much_it_takes(on_board):
    trt = on_board(EMULATED_CONTEXT_OUT_OF_MEMORY=1)
    with pytest.raises(DeviceError, match=r"OutOfMemory .*; it takes \d+ bytes .*, \d+ are free"):
        Session(built(trt), "model.onnx", {})


def test_a_launch_that_fails_is_told(on_board, monkeypatch):
    session = Session(built(on_board()), "model.onnx", {})
    from emulated_tensorrt import context

    monkeypatch.setenv("EMULATED_ENQUEUE_FAILS", str(next(context.ENQUEUES) + 1))
    with pytest.raises(DeviceError, match=r"does not run it: .*unspecified launch failure"):
        session.run({"x": picture()})
    session.close()


@pytest.mark.parametrize("version", VERSIONS)
def test_layers_are_timed_by_the_profiler(version, on_board):
    trt = on_board(version)
    session = Session(built(trt), "model.onnx", {}, graph=True)
    profiler = layers.make_profiler(trt)
    session.profile_with(profiler)
    found, runs = layers.layer_times(lambda: session.run({"x": picture()}), profiler, [])
    assert runs >= layers.LEAST_RUNS
    assert len(found) == 2
    assert sum(layer["share"] for layer in found) == pytest.approx(1)
    assert all(layer["mean_ms"] > 0 for layer in found)
    session.close()


def test_where_enqueueing_is_not_profiled_layers_are_timed_by_executing(on_board, monkeypatch):
    trt = on_board("8.2")  # less what came after 8.0
    monkeypatch.delattr(trt.IExecutionContext, "enqueue_emits_profile")
    session = Session(built(trt), "model.onnx", {})
    profiler = layers.make_profiler(trt)
    session.profile_with(profiler)
    session.run({"x": picture()})
    assert session._launch == session._execute
    assert len(profiler.times) == 2
    session.close()


@pytest.mark.parametrize(
    ("layer", "module"),
    [
        ("Conv_0 + Relu_1", "features.0"),
        ("PWN(PWN(Sigmoid_3), Mul_4)", None),
        ("/layer1/layer1.0/conv1/Conv + /layer1/layer1.0/relu/Relu", "layer1.0.conv1"),
        ("layer1/0/relu/Relu", "layer1.0.relu"),
        ("PWN(layer1/0/relu/Relu)", "layer1.0.relu"),
        ("Reformatting CopyNode for Input Tensor 0 to Conv_0", "features.0"),
        ("{ForeignNode[Relu_1...Gemm_5]}", None),
        ("Unnamed Layer* 7", None),
    ],
)
def test_a_layers_module_is_what_its_name_tells(layer, module):
    known = {"Conv_0": "features.0", "Relu_1": "", "Sigmoid_3": "", "Mul_4": ""}
    known.update({"/layer1/layer1.0/conv1/Conv": "", "/layer1/layer1.0/relu/Relu": ""})
    known["layer1/0/relu/Relu"] = ""
    assert layers.module_of(layer, known) == module
