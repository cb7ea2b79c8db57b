"""The emulated board as a whole: its programs, libcudart and files, met from another process."""

import ast
import json
import signal
import time
from pathlib import Path

import numpy as np
import pytest

from tests.emulated_jetson import roots
from tests.emulated_jetson.board import CUDA_FOLDER, RELEASES, board, compile_libcudart

from .emulated_helpers import VERSIONS, Cudart, convolution, picture, reference
from .processes import run, start

ENGINE = """
import ctypes, sys
import numpy as np
import tensorrt as trt

cudart = ctypes.CDLL("libcudart.so")

def check(status):
    assert status == 0, status

def malloc(size):
    address = ctypes.c_void_p()
    check(cudart.cudaMalloc(ctypes.byref(address), ctypes.c_size_t(size)))
    return address.value

logger = trt.Logger()
builder = trt.Builder(logger)
explicit = getattr(trt.NetworkDefinitionCreationFlag, "EXPLICIT_BATCH", None)
network = builder.create_network(0 if explicit is None else 1 << int(explicit))
assert trt.OnnxParser(network, logger).parse_from_file(sys.argv[1])
plan = builder.build_serialized_network(network, builder.create_builder_config())
engine = trt.Runtime(logger).deserialize_cuda_engine(plan)
context = engine.create_execution_context()
x = np.load(sys.argv[2])
y = np.zeros((1, 4, 8, 8), np.float32)
addresses = [malloc(x.nbytes), malloc(y.nbytes)]
pointer, size = ctypes.c_void_p, ctypes.c_size_t
check(cudart.cudaMemcpy(pointer(addresses[0]), pointer(x.ctypes.data), size(x.nbytes), 1))
if hasattr(engine, "num_io_tensors"):
    for index, address in enumerate(addresses):
        context.set_tensor_address(engine.get_tensor_name(index), address)
    assert context.execute_async_v3(0)
else:
    assert context.execute_async_v2(addresses, 0)
check(cudart.cudaMemcpy(pointer(y.ctypes.data), pointer(addresses[1]), size(y.nbytes), 2))
np.save(sys.argv[3], y)
print(trt.__version__, trt.EMULATED, ctypes.c_int.in_dll(cudart, "edgeshrink_emulated").value)
"""


@pytest.fixture
def files(tmp_path):
    """A script that builds and runs, its model, its input, and where its output goes."""
    (tmp_path / "run.py").write_text(ENGINE)
    (tmp_path / "model.onnx").write_bytes(convolution())
    np.save(tmp_path / "x.npy", picture())
    return [tmp_path / name for name in ("run.py", "model.onnx", "x.npy", "y.npy")]


@pytest.mark.parametrize("version", VERSIONS)
def test_an_engine_is_built_and_run_in_a_process_on_the_board(version, files, tmp_path):
    done = board(tmp_path, tensorrt=version).run(*files)
    assert (done.stderr, done.returncode) == ("", 0)
    assert done.stdout.split()[1:] == ["True", "1"]
    assert np.array_equal(np.load(files[3]), reference(convolution(), x=picture())[0])


@pytest.mark.slow
@pytest.mark.parametrize("version", ["8.2", "8.6"])
def test_it_is_so_under_the_python_of_the_boards_too(version, files, python_of_the_boards, tmp_path):
    done = board(tmp_path, kind="jetson-nano", tensorrt=version).run(*files, python=python_of_the_boards)
    assert (done.stderr, done.returncode) == ("", 0)
    difference = np.abs(np.load(files[3]) - reference(convolution(), x=picture())[0]).max()
    assert difference < 1e-5  # another version of the runtime adds in another order


@pytest.mark.parametrize("kind", roots.KINDS)
def test_each_kind_of_board_is_recognized_by_its_files(kind, tmp_path):
    made = board(tmp_path, kind=kind, cudart=False)
    model = (made.root / "proc/device-tree/model").read_text()
    assert model.rstrip("\0") == roots.sysfs.BOARDS[roots.short(kind)][0]
    assert (made.root / "usr/bin/tegrastats").is_file()
    assert not (made.root / CUDA_FOLDER).exists()


def test_a_board_without_tensorrt_or_programs_has_none(tmp_path):
    made = board(tmp_path, tensorrt=None, programs=(), cudart=False)
    done = made.run("-c", "import tensorrt")
    assert "No module named 'tensorrt'" in done.stderr
    assert "No module named 'pycuda'" in made.run("-c", "import pycuda").stderr
    assert not (made.root / "usr").exists()


def test_pycuda_is_there_where_it_is_installed(tmp_path):
    text = "import pycuda.autoinit, pycuda.driver as d; print(d.Device(0).name(), d.mem_get_info())"
    done = board(tmp_path, pycuda=True, cudart=False, EMULATED_FREE_BYTES=1000).run("-c", text)
    assert done.stdout == "NVIDIA Tegra X1 (1000, 4156030976)\n"


def test_the_very_process_can_be_on_a_board_for_a_test(tmp_path):
    import sys

    with pytest.MonkeyPatch.context() as patch:
        board(tmp_path, tensorrt="10.3", pycuda=True).use(patch)
        import pycuda.driver
        import tensorrt

        assert tensorrt.__version__ == "10.3.0"
        assert pycuda.driver.EMULATED
    assert not {"tensorrt", "pycuda", "pycuda.driver"} & set(sys.modules)


LOAD = """
import sys, time
sys.path.insert(0, sys.argv[2])
from emulated_helpers import convolution, engine, enqueue, picture
import numpy as np, tensorrt as trt
import pathlib
meter = next(pathlib.Path(sys.argv[1]).rglob(sys.argv[3]))
context = engine(trt, convolution()).create_execution_context()
x, out = picture(), np.zeros((1, 4, 8, 8), np.float32)
seen, end = [int(meter.read_text())] * 3, time.monotonic() + 30  # however busy this machine is
far = lambda shown: abs(shown - seen[0]) > 100
while not far(seen[1]) and time.monotonic() < end:
    assert enqueue(trt, context, [x.ctypes.data, out.ctypes.data])
    seen[1] = int(meter.read_text())
seen[2] = seen[1]
while far(seen[2]) and time.monotonic() < end:
    time.sleep(0.01)
    seen[2] = int(meter.read_text())
print(seen)
"""


@pytest.mark.parametrize(
    ("version", "file", "idle", "load", "step"),
    [("8.2", "in_power0_input", 1400, 4000, 40), ("10.3", "curr1_input", 940, 800, 8)],
)
def test_the_meter_shows_the_load_while_there_is_one(version, file, idle, load, step, tmp_path):
    made = board(tmp_path, tensorrt=version, cudart=False, EMULATED_LOAD_MW=4000, EMULATED_LATENCY_MS=5)
    (tmp_path / "load.py").write_text(LOAD)
    helpers = Path(__file__).parent
    done = made.run(tmp_path / "load.py", made.root, helpers, file)
    assert done.stderr == ""
    shown = ast.literal_eval(done.stdout)
    assert shown == pytest.approx([idle, load, idle], rel=0, abs=step)  # the scatter of the meter


def test_tegrastats_reads_the_meter_where_it_shows_the_load(tmp_path):
    variables = {"EMULATED_LOAD_MW": 4000, "EMULATED_TEGRASTATS_DIES_AFTER": 1}
    made = board(tmp_path, cudart=False, **variables)
    roots.sysfs.set_rail(made.root, "POM_5V_IN", 5000, 555)
    assert "POM_5V_IN 2775/2775" in program(made, "tegrastats").stdout


# libcudart


def test_libcudart_fails_the_allocation_that_is_asked_for(tmp_path):
    text = (
        "import ctypes; c = ctypes.CDLL('libcudart.so.10.2'); a = ctypes.c_void_p()\n"
        "print([c.cudaMalloc(ctypes.byref(a), ctypes.c_size_t(64)) for _ in range(3)])\n"
        "c.cudaGetErrorString.restype = ctypes.c_char_p; print(c.cudaGetErrorString(2).decode())"
    )
    done = board(tmp_path, EMULATED_OUT_OF_MEMORY=3).run("-c", text)
    assert done.stdout == "[0, 0, 2]\nout of memory\n"


def test_libcudart_tells_a_failing_kernel_from_then_on(tmp_path):
    text = (
        "import ctypes; c = ctypes.CDLL('libcudart.so')\n"
        "print([c.cudaStreamSynchronize(None) for _ in range(3)], c.cudaDeviceSynchronize())"
    )
    assert board(tmp_path, EMULATED_SYNC_FAILS=2).run("-c", text).stdout == "[0, 719, 719] 719\n"


def test_libcudart_knows_its_gpu(tmp_path):
    text = (
        "import ctypes; c = ctypes.CDLL('libcudart.so'); n = ctypes.create_string_buffer(4096)\n"
        "v = ctypes.c_int(); c.cudaGetDeviceProperties(n, 0)\n"
        "c.cudaDeviceGetAttribute(ctypes.byref(v), 75, 0)\n"
        "print(n.value.decode(), v.value, c.cudaRuntimeGetVersion(ctypes.byref(v)), v.value)"
    )
    assert board(tmp_path, tensorrt="10.3").run("-c", text).stdout == "Orin 8 0 12060\n"


def test_libcudart_refuses_what_is_not_device_memory():
    cudart, array = Cudart(compile_libcudart()), np.zeros(4, np.float32)
    address = cudart.malloc(16)
    cudart.to_device(address, array)
    with pytest.raises(OSError, match="invalid argument"):
        cudart.to_device(address + 4, array)
    with pytest.raises(OSError, match="invalid argument"):
        cudart.to_device(array.ctypes.data, array)


def test_events_measure_the_time_between_them():
    import ctypes

    cudart = Cudart(compile_libcudart())
    start, end = cudart.made("cudaEventCreate"), cudart.made("cudaEventCreate")
    elapsed = ctypes.c_float()
    with pytest.raises(OSError, match="invalid resource handle"):
        cudart.cudaEventElapsedTime(ctypes.byref(elapsed), start, end)
    cudart.cudaEventRecord(start, None)
    time.sleep(0.01)
    cudart.cudaEventRecord(end, None)
    cudart.cudaEventElapsedTime(ctypes.byref(elapsed), start, end)
    assert 10 <= elapsed.value < 10_000


# Programs


def program(made, name, *words, **changes):
    path = next(made.root.rglob(name))
    return run(path, *words, env=dict(made.environment, **changes))


@pytest.mark.parametrize("version", VERSIONS)
def test_trtexec_builds_saves_loads_and_exports(version, files, tmp_path):
    made = board(tmp_path, tensorrt=version, cudart=False)
    saved = tmp_path / "model.engine"
    build_only = "--skipInference" if version != "8.2" else "--buildOnly"
    done = program(made, "trtexec", f"--onnx={files[1]}", f"--saveEngine={saved}", build_only)
    assert "&&&& PASSED" in done.stdout
    picture().tofile(tmp_path / "x.bin")
    exports = {name: tmp_path / f"{name}.json" for name in ("Times", "Output", "Profile", "LayerInfo")}
    words = [f"--export{name}={path}" for name, path in exports.items()]
    words += [f"--loadEngine={saved}", f"--loadInputs=x:{tmp_path}/x.bin", "--warmUp=0", "--duration=0"]
    done = program(made, "trtexec", *words, "--iterations=10")
    assert (done.stderr, done.returncode) == ("", 0)
    rows = {name: json.loads(path.read_text()) for name, path in exports.items()}
    assert len(rows["Times"]) == 10
    assert ("endToEndMs" in rows["Times"][0]) is (version == "8.2")
    assert rows["Profile"][0] == {"count": 10}
    assert [row["name"] for row in rows["Profile"][1:]] == rows["LayerInfo"]["Layers"]
    expected = reference(convolution(), x=picture())[0]
    assert np.allclose(rows["Output"][0]["values"], expected.ravel(), atol=1e-6, rtol=0)
    assert ("End-to-End Host Latency" in done.stdout) is (version == "8.2")
    assert ("percentile(90%)" in done.stdout) is (version != "8.2")


@pytest.mark.parametrize(
    ("version", "option"),
    [("8.2", "--memPoolSize"), ("8.2", "--skipInference"), ("10.3", "--workspace"), ("11.4", "--fp16")],
)
def test_trtexec_refuses_an_option_of_another_version(version, option, files, tmp_path):
    made = board(tmp_path, tensorrt=version, cudart=False)
    done = program(made, "trtexec", f"--onnx={files[1]}", f"{option}=1")
    assert done.returncode == 1
    assert f"Unknown option: {option} 1" in done.stderr
    assert "&&&& FAILED" in done.stdout


def test_trtexec_fails_on_what_it_cannot_load(tmp_path):
    made = board(tmp_path, cudart=False)
    (tmp_path / "bad.engine").write_bytes(b"no engine")
    for words in (["--loadEngine=" + str(tmp_path / "bad.engine")], ["--onnx=missing.onnx"], []):
        done = program(made, "trtexec", *words)
        assert done.returncode == 1
        assert ("[E] [TRT] 1: [stdArchiveReader" in done.stderr) is ("bad" in "".join(words))
        assert "&&&& FAILED" in done.stdout


def test_tegrastats_prints_the_power_of_its_trace_and_the_mean_since_it_started(tmp_path):
    trace = {"rails": {"POM_5V_IN": [[0, 1000], [0.1, 2000]], "POM_5V_CPU": [[0, 83]]}}
    (tmp_path / "trace.json").write_text(json.dumps(trace))
    variables = {"TRACE": tmp_path / "trace.json", "DIES_AFTER": 12, "DROPS": "3"}
    variables = {"EMULATED_TEGRASTATS_" + name: value for name, value in variables.items()}
    done = program(board(tmp_path, cudart=False, **variables), "tegrastats", "--interval", 20)
    assert done.returncode == 1
    lines = done.stdout.splitlines()
    assert len(lines) == 11
    power = [[int(each) for each in line.split("POM_5V_IN ")[1].split()[0].split("/")] for line in lines]
    now = [each[0] for each in power]
    assert now == sorted(now)
    assert 1000 <= now[0] < now[-1] == 2000
    assert power[1][1] == sum(now[:2]) // 2
    assert all(line.endswith("POM_5V_CPU 83/83") for line in lines)


def test_tegrastats_replays_lines_over_and_over(tmp_path):
    (tmp_path / "lines").write_text("RAM 1/2MB\nRAM 2/2MB\n")
    variables = {"EMULATED_TEGRASTATS_LINES": tmp_path / "lines", "EMULATED_TEGRASTATS_DIES_AFTER": 3}
    done = program(board(tmp_path, cudart=False, **variables), "tegrastats", "--interval", "1")
    assert done.stdout == "RAM 1/2MB\nRAM 2/2MB\nRAM 1/2MB\n"


def test_tegrastats_refuses_count_as_the_real_one_does(tmp_path):
    done = program(board(tmp_path, cudart=False), "tegrastats", "--count", "3")
    assert done.stdout.startswith("Unknown command: --count\n")
    assert done.returncode == 1


def test_tegrastats_ends_when_it_is_told_to(tmp_path):
    made = board(tmp_path, cudart=False)
    words = [made.root / "usr/bin/tegrastats", "--interval", "10"]
    with start(*words, env=made.environment) as process:
        assert process.stdout.readline().startswith("RAM 1021/3964MB")
        process.send_signal(signal.SIGTERM)
        process.stdout.read()
        assert process.wait(10) == 0


def test_tegrastats_logs_in_the_background_until_it_is_stopped(tmp_path):
    made, log = board(tmp_path, cudart=False), tmp_path / "log"
    assert program(made, "tegrastats", "--start", "--interval", 5, "--logfile", log).stdout == ""
    deadline = time.monotonic() + 30
    while not (log.exists() and log.read_text().count("\n") > 2) and time.monotonic() < deadline:
        time.sleep(0.01)
    program(made, "tegrastats", "--stop")
    time.sleep(0.1)
    written = log.read_text()
    time.sleep(0.1)
    assert log.read_text() == written != ""


def test_a_later_release_prints_the_time_and_units(tmp_path):
    made = board(tmp_path, tensorrt="11.4", cudart=False, EMULATED_TEGRASTATS_DIES_AFTER=1)
    line = program(made, "tegrastats").stdout
    assert line[2] == line[5] == "-"
    assert "VDD_GPU 1957mW/1957mW/1957mW" in line


def test_power_mode_and_clocks_are_told_when_asked(tmp_path):
    made = board(tmp_path, cudart=False)
    assert program(made, "nvpmodel", "-q").stdout == "NV Power Mode: MAXN\n0\n"
    assert program(made, "nvpmodel", "-q", EMULATED_POWER_MODE="5W:1").stdout == "NV Power Mode: 5W\n1\n"
    assert program(made, "nvpmodel", "-m", "1").returncode == 1
    assert program(made, "jetson_clocks", "--show").returncode == 1
    told = program(made, "jetson_clocks", "--show", EMULATED_AS_ROOT="1", EMULATED_CLOCKS="locked").stdout
    assert "GPU MinFreq=921600000 MaxFreq=921600000" in told


def test_every_version_has_its_release():
    assert tuple(RELEASES) == VERSIONS
    assert {kind for kind, _, _ in RELEASES.values()} <= set(roots.KINDS)
