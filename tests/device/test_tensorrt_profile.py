"""`profile --device jetson` on the emulated board, from the bundle to profile.json."""

import json
import os
import pty
import signal
import subprocess
import sys
import time

import numpy as np
import psutil
import pytest

from tests.emulated_jetson.board import board

from .emulated_helpers import VERSIONS, convolution, model_of, picture, reference, with_half_weights
from .engine_helpers import refused_model
from .helpers import host
from .inference_helpers import HALF_WEIGHTS, LOOKUP, QUICK, document, profiled, write_bundle
from .processes import run, start, wait_for


@pytest.mark.parametrize("version", VERSIONS)
def test_a_bundle_is_built_measured_and_checked_beside_its_baseline(version, tmp_path):
    bundle = write_bundle(tmp_path / "b.edge")
    done = profiled(board(tmp_path, tensorrt=version), bundle, "--launches", "2")
    assert (done.stderr, done.returncode) == ("", 0)
    assert all("onnx EMULATED  " in row for row in done.stdout.splitlines()[1:3])
    assert "x EMULATED " in done.stdout.splitlines()[4]
    assert "\nPASS\n" in done.stdout
    told = [document(bundle, name) for name in ("baseline", "model")]
    assert told[0]["session"]["id"] == told[1]["session"]["id"]
    for each in told:
        check_times(each)
        check_engine(each, bundle, "typed" if version == "11.4" else "fp16")
        assert each["emulated"] is True
        assert each["parity"]["ok"]
        assert each["parity"]["samples"] == 6
        assert each["device"]["kind"] == "gpu"
        assert each["device"]["software"]["tensorrt"].startswith(version)
        assert each["device"]["through"].startswith("ctypes on ")
        json.dumps(each, allow_nan=False)


def check_times(told):
    gpu, whole = (told["latency_ms"][clock] for clock in ("gpu", "end_to_end"))
    assert gpu["n"] == whole["n"] == len(gpu["times_ms"]) == len(whole["times_ms"])
    assert {"median", "p90", "p95", "p99", "ci95"} <= set(gpu) & set(whole)
    assert 0 < gpu["median"] < whole["median"]
    assert told["latency_ms"]["gpu_reason"] is None
    assert sum(layer["share"] for layer in told["layers"]) == pytest.approx(1)
    assert told["layers_method"].startswith("IProfiler, ")


def check_engine(told, bundle, precision):
    engine, memory = told["model"]["engine"], told["memory_bytes"]
    assert told["model"]["precision"] == precision
    assert memory["engine"] == (bundle / "engines" / engine["file"]).stat().st_size
    assert memory["context"] > 0
    assert memory["context_reason"] is None


def test_what_pycuda_measures_is_told_as_pycudas(tmp_path):
    bundle = write_bundle(tmp_path / "b.edge", baseline=False)
    done = profiled(board(tmp_path, pycuda=True), bundle)
    assert (done.stderr, done.returncode) == ("", 0)
    told = document(bundle)
    check_times(told)
    assert told["device"]["through"] == "PyCUDA 2022.1"
    assert told["device"]["software"]["pycuda"] == "2022.1"
    assert told["emulated"] is True


def test_a_graph_is_run_where_it_is_asked_for(tmp_path):
    bundle = write_bundle(tmp_path / "b.edge", baseline=False)
    done = profiled(board(tmp_path, tensorrt="10.3"), bundle, "--cuda-graph")
    assert (done.stderr, done.returncode) == ("", 0)
    assert "as a CUDA graph" in done.stdout
    assert document(bundle)["device"]["cuda_graph"] is True


def test_a_graph_that_cannot_be_run_is_told(tmp_path):
    bundle = write_bundle(tmp_path / "b.edge", baseline=False)
    profiled(board(tmp_path, tensorrt="10.3", pycuda=True, cudart=False), bundle, "--cuda-graph")
    told = document(bundle)
    assert told["device"]["cuda_graph"] is False
    assert told["device"]["cuda_graph_reason"] == "PyCUDA 2022.1 captures no graphs"
    assert "no CUDA graph was run: PyCUDA 2022.1 captures no graphs" in told["warnings"]


def test_the_precision_asked_for_is_built_and_decides_the_tolerance(tmp_path):
    bundle, made = write_bundle(tmp_path / "b.edge", baseline=False), board(tmp_path, tensorrt="10.3")
    tolerances = {}
    for precision in ("fp32", "fp16", "int8"):
        done = profiled(made, bundle, "--precision", precision, "--force")
        assert done.returncode == 0, done.stdout + done.stderr
        assert document(bundle)["model"]["precision"] == precision
        tolerances[precision] = document(bundle)["parity"]["tolerance"]["relative_to_scale"]
    assert tolerances == {"fp32": 2e-4, "fp16": 2e-2, "int8": 1e-1}


def test_a_precision_that_the_chip_lacks_is_refused_before_anything_is_measured(tmp_path):
    bundle = write_bundle(tmp_path / "b.edge", baseline=False)
    done = profiled(board(tmp_path), bundle, "--precision", "int8")
    assert done.returncode == 2
    assert done.stderr.startswith("error: INT8 is not to be had on this chip")
    assert sorted(path.name for path in bundle.iterdir()) == ["model.onnx", "samples.npz"]


def test_a_stand_in_that_refuses_a_model_says_that_it_is_one(tmp_path):
    bundle = write_bundle(tmp_path / "b.edge", baseline=False)
    (bundle / "model.onnx").write_bytes(refused_model())
    done = profiled(board(tmp_path), bundle)
    assert (done.stdout, done.returncode) == ("", 1)
    assert done.stderr.startswith(f"error: EMULATED: {bundle}/model.onnx: the parser refuses it (2 errors)")


def test_a_terminal_sees_the_build_and_then_the_measurement(tmp_path):
    bundle = write_bundle(tmp_path / "b.edge", baseline=False)
    made = board(tmp_path, tensorrt="10.3", EMULATED_BUILD_SECONDS=1)
    mine, its = pty.openpty()
    words = [sys.executable, "-m", "edgeshrink_device", "profile", bundle, *QUICK]
    with subprocess.Popen(
        list(map(str, words)), stdout=subprocess.DEVNULL, stderr=its, env=made.environment
    ) as process:
        os.close(its)
        seen = read_all(mine)
        assert process.wait() == 0
    assert seen.index("building model.onnx in FP16: 0:00") < seen.index("measure b.edge/model.onnx")


def read_all(terminal):
    """What was written to a terminal until nobody has it open."""
    seen = b""
    while True:
        try:
            more = os.read(terminal, 4096)
        except OSError:  # how Linux says that the other end is closed
            more = b""
        if not more:
            os.close(terminal)
            return seen.decode()
        seen += more


def test_a_kept_engine_is_run_and_not_built_again(tmp_path):
    bundle, made = write_bundle(tmp_path / "b.edge", baseline=False), board(tmp_path)
    made.device("build", bundle)
    before = {path.name: path.stat().st_mtime_ns for path in (bundle / "engines").iterdir()}
    assert profiled(made, bundle).returncode == 0
    assert {path.name: path.stat().st_mtime_ns for path in (bundle / "engines").iterdir()} == before


def test_wrong_outputs_are_told_first_and_set_the_exit_status(tmp_path):
    bundle = write_bundle(tmp_path / "b.edge", baseline=False, wrong=0.1)
    done = profiled(board(tmp_path), bundle)
    assert done.returncode == 1
    assert done.stdout.startswith("FAIL b.edge/model.onnx EMULATED: output 'y' differs by 0.1")
    assert document(bundle)["parity"]["ok"] is False


def test_outputs_that_are_no_numbers_fail(tmp_path):
    bundle = write_bundle(tmp_path / "b.edge", baseline=False)
    done = profiled(board(tmp_path, EMULATED_NAN_OUTPUTS=1), bundle)
    assert done.returncode == 1
    assert done.stdout.startswith("FAIL b.edge/model.onnx EMULATED: output 'y' holds NaN or infinity")


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"EMULATED_CONTEXT_OUT_OF_MEMORY": 1}, "TensorRT makes no execution context"),
        ({"EMULATED_OUT_OF_MEMORY": 2}, "out of memory on the device"),
        ({"EMULATED_SYNC_FAILS": 9}, "unspecified launch failure (719)"),
        ({"EMULATED_ENQUEUE_FAILS": 7}, "TensorRT does not run it"),
    ],
)
def test_what_fails_on_the_device_ends_in_a_clear_error_and_no_profile(variables, said, tmp_path):
    bundle = write_bundle(tmp_path / "b.edge", baseline=False)
    done = profiled(board(tmp_path, **variables), bundle)
    assert done.returncode == 1
    assert done.stderr.startswith("error: ")
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert not list(bundle.glob("profile*"))


def test_an_engine_that_is_damaged_is_built_again(tmp_path):
    bundle, made = write_bundle(tmp_path / "b.edge", baseline=False), board(tmp_path)
    made.device("build", bundle)
    engine = next((bundle / "engines").glob("*.engine"))
    good = engine.read_bytes()
    engine.write_bytes(good[:-1])
    assert profiled(made, bundle).returncode == 0
    assert engine.read_bytes() == good


def test_a_machine_that_is_no_jetson_says_so(tmp_path):
    bundle = write_bundle(tmp_path / "b.edge", baseline=False)
    words = [sys.executable, "-m", "edgeshrink_device", "profile", bundle, *QUICK]
    done = run(*words)
    assert done.returncode == 2
    assert done.stderr.startswith("error: this machine is no Jetson")


@pytest.mark.parametrize("word", [["--precision", "fp16"], ["--cuda-graph"], ["--engines", "x"]])
def test_what_only_engines_have_is_refused_for_the_cpu(word, tmp_path):
    bundle = write_bundle(tmp_path / "b.edge", baseline=False)
    done = board(tmp_path, cudart=False).device("profile", bundle, *word)
    assert done.returncode == 2
    assert done.stderr.startswith(f"error: {word[0]} is for TensorRT engines, and --device cpu runs none")


@pytest.mark.slow
def test_energy_is_what_the_boards_meter_shows_times_what_an_inference_takes(tmp_path):
    """10 ms at 4 W: 40 mJ. The loads have Python's own gaps between inferences, which are not timed: 10%."""
    bundle = write_bundle(tmp_path / "b.edge", baseline=False)
    made = board(tmp_path, EMULATED_LOAD_MW=4000, EMULATED_LATENCY_MS=10)
    done = made.device("profile", bundle, *QUICK[:-1], "ina3221", "--load-seconds", "10", timeout=200)
    assert (done.stderr, done.returncode) == ("", 0)
    told = document(bundle)
    mean = told["latency_ms"]["end_to_end"]["mean"]
    assert told["energy_mj"]["total"]["mean"] == pytest.approx(4.0 * mean, rel=0.1)
    assert told["emulated"] is True


def test_open_sizes_are_measured_at_opt(tmp_path):
    bundle = tmp_path / "b.edge"
    bundle.mkdir()
    (bundle / "model.onnx").write_bytes(convolution("n"))
    sizes = {"min": [1, 3, 8, 8], "opt": [2, 3, 8, 8], "max": [4, 3, 8, 8]}
    (bundle / "manifest.json").write_text(json.dumps({"inputs": [dict(sizes, name="x")]}))
    y = reference(convolution("n"), x=picture(6))[0]
    np.savez(bundle / "samples.npz", **{"in/x": picture(6), "out/y": y})
    for tensorrt in ("10.3", None):
        where = tmp_path / str(tensorrt)
        where.mkdir()
        done = profiled(board(where, tensorrt=tensorrt), bundle, "--force")
        assert (done.stderr, done.returncode) == ("", 0)
        told = document(bundle)
        assert told["model"]["inputs"] == [{"name": "x", "shape": [2, 3, 8, 8], "dtype": "float32"}]
        assert told["parity"]["ok"]


@pytest.mark.parametrize("tensorrt", ["8.2", "10.3", None], ids=["8.2", "10.3", "trtexec"])
def test_whole_numbers_of_64_bits_are_computed_as_this_tensorrt_does(tensorrt, tmp_path):
    bundle, made = tmp_path / "b.edge", board(tmp_path, tensorrt=tensorrt)
    bundle.mkdir()
    (bundle / "model.onnx").write_bytes(model_of(LOOKUP))
    i, table = np.array([[0, 1], [2, 2], [1, 0]]), np.arange(1, 7, dtype=np.float32).reshape(3, 2)
    np.savez(bundle / "samples.npz", **{"in/i": i, "out/y": table[i], "out/j": i})
    done = profiled(made, bundle)
    assert (done.stderr, done.returncode) == ("", 0)
    told = document(bundle)
    assert told["parity"]["ok"]
    assert told["model"]["inputs"][0]["dtype"] == ("int64" if tensorrt == "10.3" else "int32")
    np.savez(bundle / "samples.npz", **{"in/i": i + 2**40, "out/y": table[i], "out/j": i})
    refused = profiled(made, bundle, "--force")
    if tensorrt != "10.3":
        assert refused.returncode == 2
        assert "reach from 1099511627776 to 1099511627778, it is computed as int32" in refused.stderr


def test_a_strongly_typed_engine_is_held_to_the_types_in_its_model(tmp_path):
    bundle = tmp_path / "b.edge"
    bundle.mkdir()
    data = with_half_weights(model_of(HALF_WEIGHTS))
    (bundle / "model.onnx").write_bytes(data)
    x = np.arange(12, dtype=np.float32).reshape(3, 4) / 7
    y = np.concatenate([reference(data, x=x[i : i + 1])[0] for i in range(3)])
    np.savez(bundle / "samples.npz", **{"in/x": x, "out/y": y})
    done = profiled(board(tmp_path, tensorrt="11.4"), bundle)
    assert (done.stderr, done.returncode) == ("", 0)
    told = document(bundle)
    assert (told["model"]["precision"], told["model"]["computed_in"]) == ("typed", "fp16")
    assert told["parity"]["tolerance"]["relative_to_scale"] == 2e-2


def test_without_samples_odd_outputs_are_at_least_told(tmp_path):
    bundle = write_bundle(tmp_path / "b.edge", baseline=False)
    (bundle / "samples.npz").unlink()
    done = profiled(board(tmp_path, EMULATED_NAN_OUTPUTS=1), bundle)
    assert (done.stderr, done.returncode) == ("", 0)
    assert document(bundle)["parity"] is None
    assert "output 'y' holds NaN or infinity" in document(bundle)["warnings"]


def test_two_profiles_of_engines_are_compared_by_the_gpus_time_too(tmp_path):
    compare = host("edgeshrink.comparison").compare
    bundle = write_bundle(tmp_path / "b.edge")
    profiled(board(tmp_path), bundle)
    compared = compare(document(bundle, "baseline"), document(bundle))
    rows = {row["figure"]: row for row in compared["rows"]}
    assert rows["median GPU time"]["ratio"] > 0
    assert rows["engine"]["before"] == rows["engine"]["after"]


# Interrupted


@pytest.mark.parametrize("whole_group", [True, False])
@pytest.mark.parametrize("tensorrt", ["8.2", "10.3", None], ids=["8.2", "10.3", "trtexec"])
@pytest.mark.parametrize("phase", ["build", "measure"])
def test_ctrl_c_leaves_no_process_and_nothing_half_written(phase, tensorrt, whole_group, tmp_path):
    bundle = write_bundle(tmp_path / "b.edge", baseline=False)
    build_s = 4 if tensorrt == "10.3" else 60  # 10.3 is asked to stop, between the four steps of its build
    slow = {"EMULATED_BUILD_SECONDS": build_s} if phase == "build" else {"EMULATED_LATENCY_MS": 200}
    made = board(tmp_path, tensorrt=tensorrt, **slow)
    engines = bundle / "engines"
    words = ["-m", "edgeshrink_device", "profile", bundle, *QUICK, "--seconds", "60"]
    process = start(sys.executable, *words, env=made.environment, start_new_session=True)
    pattern = ".edgeshrink-unfinished-*" if phase == "build" else "*.json"
    wait_for(lambda: list(engines.glob(pattern)))
    time.sleep(0.5)
    children = psutil.Process(process.pid).children(recursive=True)
    (os.killpg if whole_group else os.kill)(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert out == ""
    assert err.startswith("error: interrupted; nothing was left half written")
    assert psutil.wait_procs(children, timeout=10)[1] == []
    assert not list(bundle.glob("profile*"))
    assert not list(engines.glob(".edgeshrink-unfinished-*"))


# trtexec


@pytest.mark.parametrize("version", ["8.2", "10.3", "11.4"])
def test_without_pythons_tensorrt_the_times_are_those_of_trtexec(version, tmp_path):
    names = ("baseline", "model") if version == "8.2" else ("model",)
    bundle = write_bundle(tmp_path / "b.edge", baseline=len(names) > 1)
    made = board(tmp_path, tensorrt=version, cudart=False)
    deploy = made.environment["PYTHONPATH"].split(os.pathsep)[0]
    done = profiled(made, bundle, "--launches", str(len(names)), "--power", "auto", PYTHONPATH=deploy)
    assert (done.stderr, done.returncode) == ("", 0)
    for name in names:
        told = document(bundle, name)
        check_trtexec(told)
        thor = version == "11.4"  # a developer kit of which no total can be read
        assert told["energy_reason"].startswith(
            "no power meter" if thor else "trtexec does not tell when its"
        )
        assert told["emulated"] is True
        assert told["parity"]["ok"]
        assert told["parity"]["samples"] == 4


def check_trtexec(told):
    assert told["device"]["through"].startswith("trtexec (")
    assert told["latency_ms"]["gpu"]["median"] <= told["latency_ms"]["end_to_end"]["median"]
    assert told["layers_method"].startswith("trtexec --exportProfile, ")
    assert len(told["layers"]) == 2
    assert (told["memory_bytes"]["context"], told["memory_bytes"]["context_reason"]) == (
        None,
        "trtexec does not tell",
    )
    assert told["energy_mj"] is None


def test_outputs_of_trtexec_that_are_no_numbers_fail(tmp_path):
    bundle = write_bundle(tmp_path / "b.edge", baseline=False)
    done = profiled(board(tmp_path, tensorrt=None, cudart=False, EMULATED_NAN_OUTPUTS=1), bundle)
    assert done.returncode == 1
    assert done.stdout.startswith("FAIL b.edge/model.onnx EMULATED: output 'y' holds NaN or infinity")
