"""Streams, events and memory on the emulated board, through PyCUDA and through libcudart."""

import time

import numpy as np
import pytest
from edgeshrink_device import cuda
from edgeshrink_device.cuda import library, runtime, with_pycuda
from edgeshrink_device.errors import DeviceError

from tests.emulated_jetson.board import board

KINDS = {"ctypes": {}, "pycuda": {"pycuda": True}}


@pytest.fixture
def on_board(tmp_path, monkeypatch):
    """A function that puts this process on a board."""

    def go(**options):
        made = board(tmp_path, **options)
        made.use(monkeypatch)
        return made

    return go


@pytest.fixture(params=KINDS)
def kind(request):
    return request.param


def test_what_is_copied_to_the_device_comes_back(kind, on_board):
    on_board(**KINDS[kind])
    with cuda.open_stream() as stream:
        sent, got = (stream.host_array((3, 4), "float32", "test") for _ in range(2))
        address = stream.device_bytes(sent.nbytes, "test")
        sent[...] = np.arange(12).reshape(3, 4)
        got.fill(0)
        stream.copy_in(address, sent)
        stream.copy_out(got, address)
        stream.synchronize()
        assert np.array_equal(got, np.arange(12).reshape(3, 4))


def test_a_stream_that_pycuda_does_not_make_leaves_no_context_behind(on_board):
    on_board(pycuda=True, EMULATED_STREAM_FAILS=1)
    with pytest.raises(DeviceError, match="CUDA: cuStreamCreate failed: out of memory"):
        cuda.open_stream()
    import pycuda.driver

    assert pycuda.driver.Context.get_current() is None


def test_events_tell_the_time_between_them(kind, on_board):
    on_board(**KINDS[kind])
    with cuda.open_stream() as stream:
        stream.mark(0)
        time.sleep(0.01)
        stream.mark(1)
        stream.synchronize()
        assert 10 <= stream.elapsed_ms() < 10_000


def test_all_memory_is_free_after_closing(kind, on_board):
    on_board(**KINDS[kind])
    with cuda.open_stream() as stream:
        before = stream.memory()[0]
        held = stream.device_bytes(1 << 20, "test")
        assert held
        assert stream.memory()[0] == before - (1 << 20)
    with cuda.open_stream() as stream:
        assert stream.memory()[0] == before
        stream.close()  # twice is no fault


def test_out_of_memory_says_what_was_asked_for_and_what_is_free(kind, on_board):
    on_board(**KINDS[kind], EMULATED_OUT_OF_MEMORY=2, EMULATED_FREE_BYTES=4000)
    with cuda.open_stream() as stream:
        stream.device_bytes(1000, "input 'x'")
        with pytest.raises(DeviceError) as caught:
            stream.device_bytes(5000, "output 'y'")
    assert "5000 bytes were asked for (output 'y'), 3000 bytes of " in caught.value.message
    assert caught.value.exit_status == 1


def test_an_array_without_elements_takes_no_harm(kind, on_board):
    on_board(**KINDS[kind])
    with cuda.open_stream() as stream:
        assert stream.host_array((0, 3), "float32", "test").shape == (0, 3)
        assert stream.host_array((), "int64", "test").shape == ()


def test_pycuda_is_taken_where_it_is_installed(on_board):
    on_board(pycuda=True)
    with cuda.open_stream() as stream:
        assert isinstance(stream, with_pycuda.PycudaStream)
        assert stream.through == "PyCUDA 2022.1"
        assert stream.versions() == {"cuda": "10.2", "pycuda": "2022.1"}
        assert stream.emulated


def test_graphs_are_captured_through_libcudart_even_where_pycuda_is(on_board):
    on_board(pycuda=True)
    with cuda.open_stream(graphs=True) as stream:
        assert isinstance(stream, runtime.RuntimeStream)
        assert stream.emulated


def test_pycuda_alone_captures_no_graph(on_board):
    on_board(pycuda=True, cudart=False)
    with cuda.open_stream(graphs=True) as stream:
        with pytest.raises(DeviceError, match=r"PyCUDA 2022\.1 captures no graphs"):
            stream.capture(lambda: None)


def test_libcudart_is_found_where_cuda_installs_it(on_board):
    made = on_board(tensorrt="10.3")
    found = library.load()
    assert found.path.startswith(str(made.root / "usr/local/cuda/lib64/libcudart.so"))
    assert found.version() == "12.6"


def test_without_pycuda_and_libcudart_it_says_what_to_add(on_board):
    on_board(cudart=False)
    with pytest.raises(DeviceError, match="neither PyCUDA nor CUDA's runtime library") as caught:
        cuda.open_stream()
    assert "LD_LIBRARY_PATH" in caught.value.hint


def test_without_a_gpu_it_says_what_cuda_says(on_board):
    on_board(EMULATED_NO_DEVICE=1)
    with pytest.raises(DeviceError, match="no CUDA-capable device is detected") as caught:
        cuda.open_stream()
    assert "--runtime nvidia" in caught.value.hint


def test_a_failing_kernel_is_told_once_and_closing_says_nothing_more(on_board):
    on_board(EMULATED_SYNC_FAILS=1)
    stream = cuda.open_stream()
    stream.device_bytes(64, "test")
    with pytest.raises(DeviceError, match=r"cudaStreamSynchronize: unspecified launch failure \(719\)"):
        stream.synchronize()
    assert stream.memory() == (None, None)
    stream.close()


def test_what_is_captured_runs_when_the_graph_is_launched(on_board):
    on_board()
    with cuda.open_stream(graphs=True) as stream:
        array = stream.host_array((4,), "float32", "test")
        address = stream.device_bytes(array.nbytes, "test")
        array[...] = 1
        launch = stream.capture(lambda: stream.copy_in(address, array))
        array[...] = 7
        launch()
        array[...] = 0
        stream.copy_out(array, address)
        stream.synchronize()
        assert list(array) == [7, 7, 7, 7]


def test_a_capture_that_fails_leaves_the_stream_as_it_was(on_board):
    on_board()
    with cuda.open_stream(graphs=True) as stream:
        with pytest.raises(DeviceError, match="operation not permitted when stream is capturing"):
            stream.capture(stream.synchronize)
        stream._failed = False
        stream.synchronize()
