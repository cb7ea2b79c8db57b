"""What is built: by which TensorRT, in which precision, shapes and memory; and what is refused."""

import contextlib
import hashlib
import json
import random
from pathlib import Path

import numpy as np
import onnx
import pytest
from edgeshrink_device import DeviceError, InputError
from edgeshrink_device.cuda import library
from edgeshrink_device.engines import native, planning, precision, trtexec, workspace
from edgeshrink_device.engines.cache import open_engine
from edgeshrink_device.engines.names import module_in_name
from edgeshrink_device.engines.onnx_outline import read_outline
from edgeshrink_device.engines.refusal import BuildError
from edgeshrink_device.engines.trt import features
from edgeshrink_device.engines.watch import MemoryWatch
from edgeshrink_device.memory.proc import ProcMemory

from tests.emulated_jetson.board import board

from .emulated_helpers import VERSIONS, Quiet, convolution, enqueue, load, model_of, picture, reference
from .engine_helpers import files, refused_model, write_bundle

OLD = ("8.2", "8.6")
SHAPES = {"min": [1, 3, 8, 8], "opt": [2, 3, 8, 8], "max": [4, 3, 8, 8]}
OPEN = {"inputs": [{"name": "x", "shape": ["n", 3, 8, 8], "dtype": "float32", **SHAPES}]}
QUANTIZED = """
<ir_version: 7, opset_import: ["" : 13]>
net (float[1, 4] x) => (float[1, 4] y) <float s = {0.1}, int8 z = {0}> {
  q = QuantizeLinear(x, s, z)
  y = DequantizeLinear(q, s, z)
}
"""
OTHER_SMS = (("6.1", False, True), ("7.2", True, True), ("8.7", True, True), ("6.2", True, False))
FP16_SLOW, BOTH, NEITHER_KNOWN = (precision.Chip(*each) for each in (
    ("6.1", False, True), ("8.7", True, True), (None, None, None)))  # fmt: skip


def as_bundle(tmp_path, *words, **options):
    return str(write_bundle(tmp_path / "net.edge", *words, **options) / "model.onnx")


@pytest.mark.parametrize("version", VERSIONS)
def test_an_engine_of_every_tensorrt_computes_the_network(version, on_board, tmp_path):
    on_board(version)
    opened = open_engine(as_bundle(tmp_path), precision="fp32")
    record, x = opened.record, picture()
    assert record["precision"] == ("typed" if version == "11.4" else "fp32")
    assert record["layers"] == 2
    assert record["context_bytes"] > 0
    assert record["emulated"] is True
    assert record["build"]["tf32"] is False
    assert record["build"]["process_peak_bytes"] > 1_000_000
    trt = load(version)
    context = trt.Runtime(Quiet(trt)).deserialize_cuda_engine(opened.data).create_execution_context()
    (expected,) = reference(convolution(), x=x)
    out = np.zeros_like(expected)
    assert enqueue(trt, context, [x.ctypes.data, out.ctypes.data])
    assert np.array_equal(out, expected)  # the same runtime computed both


@pytest.mark.parametrize("version", VERSIONS)
def test_open_sizes_take_the_manifests_range(version, on_board, tmp_path):
    on_board(version)
    opened = open_engine(as_bundle(tmp_path, convolution(batch="n"), OPEN))
    assert opened.record["key"]["shapes"] == {"x": SHAPES}
    assert opened.record["warnings"] == []
    trt = load(version)
    engine = trt.Runtime(Quiet(trt)).deserialize_cuda_engine(opened.data)
    told = engine.get_profile_shape(0, 0) if version == "8.2" else engine.get_tensor_profile_shape("x", 0)
    assert [list(shape) for shape in told] == [SHAPES["min"], SHAPES["opt"], SHAPES["max"]]


def test_open_sizes_that_no_manifest_speaks_of_are_one_and_that_is_told(on_board, tmp_path):
    on_board("10.3")
    record = open_engine(as_bundle(tmp_path, convolution(batch="n"))).record
    assert record["key"]["shapes"]["x"]["max"] == [1, 3, 8, 8]
    assert "open sizes of input 'x' are: the engine takes 1x3x8x8 alone" in record["warnings"][0]


def test_a_manifest_that_does_not_fit_the_model_is_not_followed(on_board, tmp_path):
    on_board("8.2")
    wrong = json.loads(json.dumps(OPEN).replace("8, 8", "9, 9"))
    record = open_engine(as_bundle(tmp_path, convolution(batch="n"), wrong)).record
    assert record["key"]["shapes"]["x"]["opt"] == [1, 3, 8, 8]


@pytest.mark.parametrize("version", VERSIONS)
def test_a_parser_that_refuses_has_every_error_told_with_its_node_and_module(version, on_board, tmp_path):
    on_board(version)
    model = as_bundle(tmp_path, refused_model())
    with pytest.raises(BuildError, match="the parser refuses it") as caught:
        open_engine(model)
    errors = caught.value.errors
    assert [error["node"] for error in errors] == ["a_node", "y_node"]
    assert [error["operator"] for error in errors] == ["Flub", "Blarg"]
    assert [error["index"] for error in errors] == [0, 3]
    assert errors[1]["module"] == "head.0"
    assert "node 'y_node' (Blarg, module head.0, number 3): UNSUPPORTED_NODE" in caught.value.message
    assert "edgeshrink export" in caught.value.hint
    assert caught.value.emulated
    assert files(tmp_path / "net.edge" / "engines") == []


def test_the_manifests_lint_knows_better_what_to_do(on_board, tmp_path):
    on_board("8.2")
    finding = {"node": "y_node", "module": "head.last", "what_to_do": "Leave Blarg out."}
    data = refused_model().replace(b"a_node", b"n/a/Fl")
    model = as_bundle(tmp_path, data, {"lint": [finding]})
    with pytest.raises(BuildError) as caught:
        open_engine(model)
    assert caught.value.errors[1]["what_to_do"] == "Leave Blarg out."
    assert caught.value.errors[1]["module"] == "head.0"  # the weight's own name
    assert caught.value.errors[0]["module"] == "n.a"


def test_modules_are_read_from_the_names_that_nodes_of_a_bundle_have():
    assert module_in_name("layer1/0/conv1/Conv") == "layer1.0.conv1"
    assert module_in_name("/layer1/layer1.0/conv1/Conv") == "layer1.0.conv1"
    assert module_in_name("Conv_0") is None
    assert module_in_name(None) is None


def test_a_builder_that_gives_nothing_has_its_reasons_told(on_board, tmp_path):
    on_board("8.2", EMULATED_BUILD_FAILS=1)
    with pytest.raises(BuildError, match="Could not find any implementation") as caught:
        open_engine(as_bundle(tmp_path))
    assert "--workspace" in caught.value.hint


@pytest.mark.parametrize("data", [b"", b"\xff\xff\xff", b"no model at all", convolution()[:-3]])
def test_a_file_that_is_no_model_is_wrong_input(data, on_board, tmp_path):
    on_board("8.2")
    (tmp_path / "m.onnx").write_bytes(data)
    with pytest.raises(InputError, match="is no ONNX model"):
        open_engine(str(tmp_path / "m.onnx"))


def test_a_model_that_is_not_there_is_wrong_input(on_board, tmp_path):
    on_board("8.2")
    with pytest.raises(InputError, match="cannot be read"):
        open_engine(str(tmp_path / "m.onnx"))


def test_no_damaged_file_gives_anything_but_an_outline_or_a_clear_error(tmp_path):
    """Random bytes are changed or cut off, three hundred times."""
    rng, data = random.Random(0), refused_model()
    for _ in range(300):
        damaged = bytearray(data[: rng.randint(1, len(data))])
        for _ in range(rng.randint(0, 6)):
            damaged[rng.randrange(len(damaged))] = rng.randrange(256)
        (tmp_path / "m.onnx").write_bytes(bytes(damaged))
        with contextlib.suppress(InputError):
            read_outline(str(tmp_path / "m.onnx"))


def test_an_outline_is_read_without_onnx(tmp_path):
    (tmp_path / "m.onnx").write_bytes(refused_model())
    outline = read_outline(str(tmp_path / "m.onnx"))
    assert [node.operator for node in outline.nodes] == ["Flub", "Mul", "Relu", "Blarg"]
    assert [node.module for node in outline.nodes] == ["", "head.0", "", "head.0"]
    assert [(value.name, value.shape) for value in outline.inputs] == [("x", (1, 4))]
    assert outline.external == []


def test_precision_follows_the_chip_and_what_is_asked():
    decide = precision.decide
    assert decide("auto", BOTH, True, False).precision == "fp16"
    assert decide("auto", FP16_SLOW, True, False)[:4] == ("fp32", False, False, False)
    assert "SM 6.1 has FP32 and INT8" in decide("auto", FP16_SLOW, True, False).note
    assert decide("auto", NEITHER_KNOWN, True, False).precision == "fp32"
    assert decide("fp32", BOTH, True, False) == ("fp32", False, False, False, None)
    assert decide("int8", BOTH, True, False) == ("int8", True, True, True, None)
    assert decide("int8", FP16_SLOW, True, False).half is False
    assert decide("auto", BOTH, True, True) == ("int8", True, False, True, None)  # the file says so
    assert decide("auto", BOTH, False, False) == ("typed", False, False, False, None)
    assert decide("int8", BOTH, False, True).precision == "typed"


def test_a_precision_that_is_not_to_be_had_is_refused_with_what_is():
    chip = precision.Chip("5.3", True, False)
    with pytest.raises(InputError, match=r"INT8 is not to be had on this chip: SM 5.3 has FP32 and FP16"):
        precision.decide("int8", chip, True, False)
    with pytest.raises(InputError, match="FP16 is not fast on this chip"):
        precision.decide("fp16", FP16_SLOW, True, False)
    with pytest.raises(InputError, match="takes every precision from the types") as caught:
        precision.decide("fp16", BOTH, False, False)
    assert "--precision auto" in caught.value.hint
    with pytest.raises(InputError, match="calibrates no more"):
        precision.decide("int8", BOTH, False, False)
    with pytest.raises(InputError, match="which trtexec cannot do"):
        precision.decide("int8", BOTH, True, False, can_calibrate=False)
    with pytest.raises(InputError, match="unknown precision 'fp8'"):
        precision.decide("fp8", BOTH, True, False)


@pytest.mark.parametrize(("sm", "half", "eighth"), OTHER_SMS)
def test_what_a_chip_is_fast_at_is_told_by_tensorrt_or_the_table(sm, half, eighth, monkeypatch):
    monkeypatch.setenv("EMULATED_GPU_SM", sm)
    old, new = load("8.2"), load("11.4")
    assert precision.chip_of(sm, old.Builder(Quiet(old))) == (sm, half, eighth)
    assert precision.chip_of(sm, new.Builder(Quiet(new))) == (sm, half, eighth)
    assert precision.chip_of(sm) == (sm, half, eighth)


@pytest.mark.parametrize("version", OLD)
def test_a_quantized_model_needs_no_samples(version, on_board, tmp_path):
    on_board(version, kind="jetson-orin-nano")
    folder = write_bundle(tmp_path / "net.edge", model_of(QUANTIZED))
    (folder / "samples.npz").unlink()
    record = open_engine(str(folder / "model.onnx")).record
    assert (record["precision"], record["key"]["calibration_sha256"]) == ("int8", None)


def test_int8_without_samples_is_wrong_input(on_board, tmp_path):
    on_board("8.6")
    folder = write_bundle(tmp_path / "net.edge")
    (folder / "samples.npz").unlink()
    with pytest.raises(InputError, match="none are beside the model") as caught:
        open_engine(str(folder / "model.onnx"), precision="int8")
    assert "--samples" in caught.value.hint


def meminfo(tmp_path, monkeypatch, swaps="", **kilobytes):
    folder = tmp_path / "root" / "proc"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "meminfo").write_text("".join(f"{key}: {value} kB\n" for key, value in kilobytes.items()))
    (folder / "swaps").write_text("Filename Type Size Used Priority\n" + swaps)
    monkeypatch.setenv("EDGESHRINK_SYSROOT", str(tmp_path / "root"))


def test_the_workspace_is_half_of_what_is_free_beside_the_model(tmp_path, monkeypatch):
    meminfo(tmp_path, monkeypatch, MemAvailable=2 << 20)
    assert workspace.fit(100 << 20) == ((2048 - 300) // 2, False, 2 << 30, [])
    assert workspace.fit(0, asked_mib=77)[:2] == (77, True)
    meminfo(tmp_path, monkeypatch, MemAvailable=100 << 20)
    assert workspace.fit(0).mib == 4096
    meminfo(tmp_path, monkeypatch, MemAvailable=8 << 10)
    assert workspace.fit(100 << 20).mib == 16


def test_weights_in_files_beside_the_model_count_as_the_model(on_board, tmp_path, monkeypatch):
    on_board("8.2")
    (tmp_path / "root/proc/meminfo").write_text(f"MemAvailable: {2 << 20} kB\n")
    model = onnx.load_from_string(convolution())
    weights = model.graph.initializer[0]  # only raw bytes go to another file
    weights.CopyFrom(onnx.numpy_helper.from_array(onnx.numpy_helper.to_array(weights), weights.name))
    path = str(tmp_path / "m.onnx")
    onnx.save(model, path, save_as_external_data=True, location="m.bin", size_threshold=0)
    with (tmp_path / "m.bin").open("ab") as file:
        file.truncate(200 << 20)
    fitted = open_engine(path, precision="fp32").record["build"]["workspace_mib"]
    assert fitted == pytest.approx((2048 - 3 * 200) / 2, abs=1)  # the model itself has less than a kilobyte


def test_little_memory_swap_and_zram_are_told(tmp_path, monkeypatch):
    zram = "/dev/zram0 partition 507392 0 5\n"
    meminfo(tmp_path, monkeypatch, zram, MemAvailable=500 << 10, SwapTotal=1 << 20, SwapFree=1 << 19)
    told = " / ".join(workspace.fit(1 << 20).warnings)
    assert "when it was built, only 500 MB of memory were available" in told
    assert "512 MB lay in swap" in told
    assert "all swap was zram" in told
    assert "chmod 600 /swapfile; sudo mkswap" in told  # what is swapped out is for nobody to read
    assert "more than the memory available" in workspace.fit(0, asked_mib=600).warnings[1]


def test_where_the_system_tells_no_memory_a_quarter_of_a_gigabyte_is_taken(tmp_path, monkeypatch):
    meminfo(tmp_path, monkeypatch)
    assert workspace.fit(0) == (256, False, None, [])


def test_the_limit_is_set_by_whichever_call_there_is():
    for version in VERSIONS:
        trt = load(version)
        config = trt.Builder(Quiet(trt)).create_builder_config()
        native._limit(trt, config, features(trt), workspace.Workspace(64, False, None, []))
        if version == "8.2":
            assert config.max_workspace_size == 64 << 20
        else:
            assert config.get_memory_pool_limit(trt.MemoryPoolType.WORKSPACE) == 64 << 20


@pytest.mark.parametrize("version", ["8.2", "10.3"])
def test_times_of_tactics_are_kept_and_a_foreign_cache_is_left(version, on_board, tmp_path):
    on_board(version)
    model = as_bundle(tmp_path)
    plan = planning.make_plan(model)
    open_engine(model)
    cache = Path(plan.folder) / plan.timing_name
    good = cache.read_bytes()
    cache.write_bytes(b"of another board")
    again = open_engine(model, force=True)
    assert again.record["warnings"] == []
    assert cache.read_bytes() == good


@pytest.mark.parametrize("version", VERSIONS)
def test_trtexec_builds_where_there_is_no_python_module(version, tmp_path, monkeypatch):
    made = board(tmp_path, tensorrt=version, cudart=False)
    folders = made.environment["PYTHONPATH"].split(":")
    path = ":".join(each for each in folders if not each.endswith("emulated_jetson/python"))
    bundle = write_bundle(tmp_path / "net.edge", convolution(batch="n"), OPEN)
    done = made.device("build", bundle, "--json", PYTHONPATH=path)
    assert (done.stderr, done.returncode) == ("", 0)
    (engine,) = json.loads(done.stdout)["engines"]
    assert engine["key"]["built_with"] == "trtexec"
    assert engine["precision"] == ("typed" if version == "11.4" else "fp16")
    assert engine["emulated"] is True
    assert engine["layers"] == 2
    assert engine["build"]["process_peak_reason"]
    assert engine["context_reason"]
    monkeypatch.setenv("EMULATED_GPU_SM", made.environment["EMULATED_GPU_SM"])
    trt = load(version)
    loaded = trt.Runtime(Quiet(trt)).deserialize_cuda_engine(Path(engine["path"]).read_bytes())
    told = loaded.get_profile_shape(0, 0) if version == "8.2" else loaded.get_tensor_profile_shape("x", 0)
    assert [list(shape) for shape in told] == [SHAPES["min"], SHAPES["opt"], SHAPES["max"]]


@pytest.mark.parametrize("version", ["8.2", "10.3"])
def test_what_trtexec_refuses_is_told_by_nodes_too(version, tmp_path):
    made = board(tmp_path, tensorrt=None, cudart=False, EMULATED_TENSORRT=version)
    bundle = write_bundle(tmp_path / "net.edge", refused_model())
    done = made.device("build", bundle, "--json")
    assert done.returncode == 1
    (refused,) = json.loads(done.stdout)["refused"]
    nodes = [error["node"] for error in refused["errors"]]
    assert nodes == (["a_node"] if version == "8.2" else ["a_node", "y_node"])
    assert files(bundle / "engines") == []


@pytest.mark.parametrize(("digits", "version"), [("8001", "8.0.1"), ("8201", "8.2.1"), ("8601", "8.6.1"),
                                                 ("100300", "10.3.0"), ("101601", "10.16.1")])  # fmt: skip
def test_trtexecs_version_is_read_from_its_digits(digits, version):
    assert trtexec.version_of(digits) == version


def words_of(options, decision, shapes=()):
    plan = planning.Plan(*[None] * len(planning.Plan._fields))._replace(
        model="m.onnx",
        shapes=dict(shapes),
        decision=decision,
        program=trtexec.Trtexec("trtexec", "8.2.1", set(options.split()), False),
    )
    return trtexec._words(plan, "e", workspace.Workspace(99, False, None, []), None, None)[3:]


def test_trtexec_is_told_in_its_own_versions_words():
    half, full = precision.decide("fp16", BOTH, True, False), precision.decide("fp32", BOTH, True, False)
    old = "--workspace --buildOnly --fp16 --int8 --noTF32"
    assert words_of(old, half) == ["--buildOnly", "--workspace=99", "--fp16"]
    both = old + " --memPoolSize --skipInference"
    assert words_of(both, full) == ["--skipInference", "--memPoolSize=workspace:99", "--noTF32"]
    typed = precision.decide("auto", BOTH, False, False)
    shapes = {"a:0": {moment: [2, 3] for moment in ("min", "opt", "max")}}
    assert words_of("--memPoolSize --skipInference", typed, shapes)[2:] == [
        "--minShapes='a:0':2x3",
        "--optShapes='a:0':2x3",
        "--maxShapes='a:0':2x3",
    ]


def test_with_neither_module_nor_trtexec_it_says_what_to_install(tmp_path):
    made = board(tmp_path, tensorrt=None, cudart=False, programs=())
    done = made.device("build", write_bundle(tmp_path / "net.edge"))
    assert done.returncode == 1
    assert "has no TensorRT, and there is no trtexec" in done.stderr
    assert "--system-site-packages" in done.stderr or "python3-libnvinfer" in done.stderr


def test_a_trtexec_that_does_not_run_is_told(tmp_path):
    made = board(tmp_path, tensorrt=None, cudart=False)
    program = made.root / "usr/src/tensorrt/bin/trtexec"
    program.write_text("#!/bin/sh\necho 'error while loading shared libraries: libnvinfer.so.8'\nexit 127\n")
    done = made.device("build", write_bundle(tmp_path / "net.edge"))
    assert done.returncode == 1
    assert "libnvinfer.so.8" in done.stderr


@pytest.mark.parametrize("version", ["8.6", "10.16"])
def test_int8_is_calibrated_from_the_samples_once(version, tmp_path):
    made = board(tmp_path, tensorrt=version)
    bundle = write_bundle(tmp_path / "net.edge", convolution(batch="n"), OPEN)
    done = made.device("build", bundle, "--precision", "int8", "--json")
    assert (done.stderr, done.returncode) == ("", 0)
    (engine,) = json.loads(done.stdout)["engines"]
    assert engine["precision"] == "int8"
    assert engine["key"]["calibration_sha256"]
    (cache,) = (bundle / "engines").glob("calibration-*.cache")
    _, head, learned = cache.read_text().splitlines()
    assert float(learned.split(": ")[1]) == pytest.approx(float(np.abs(picture(6)).max()))  # float32 kept
    text = head + "\nx: 1.5\n"
    cache.write_text(hashlib.sha256(text.encode()).hexdigest() + "\n" + text)
    made.device("build", bundle, "--precision", "int8", "--force")
    assert b'"x": 1.5' in next((bundle / "engines").glob("model-int8-*.engine")).read_bytes()
    np.savez(bundle / "samples.npz", **{"in/x": 2 * picture(6)})
    done = made.device("build", bundle, "--precision", "int8")
    assert "the samples for calibration changed" in done.stdout
    assert len(list((bundle / "engines").glob("calibration-*.cache"))) == 2


@pytest.mark.parametrize("garbage", ["", "x: 1.5\n", "garbage\nx: 1.5\n", "\0\xff" * 40])
def test_what_was_learned_and_damaged_is_learned_again(garbage, tmp_path):
    made = board(tmp_path, tensorrt="8.6")
    bundle = write_bundle(tmp_path / "net.edge")
    made.device("build", bundle, "--precision", "int8")
    (cache,) = (bundle / "engines").glob("calibration-*.cache")
    (engine,) = (bundle / "engines").glob("model-int8-*.engine")
    before = cache.read_bytes(), engine.read_bytes()
    cache.write_text(garbage)
    done = made.device("build", bundle, "--precision", "int8", "--force")
    assert (done.stderr, done.returncode) == ("", 0)
    assert (cache.read_bytes(), engine.read_bytes()) == before


def test_samples_that_do_not_fit_end_the_calibration_with_their_reason(tmp_path):
    made = board(tmp_path, tensorrt="8.6")
    bundle = write_bundle(tmp_path / "net.edge")
    np.savez(bundle / "samples.npz", **{"in/other": picture(6)})
    done = made.device("build", bundle, "--precision", "int8")
    assert done.returncode == 2
    assert "the samples have no input 'x'" in done.stderr
    assert files(bundle / "engines") == ["timing.cache"] or files(bundle / "engines") == []


def test_what_a_calibrator_raises_is_raised_again(tmp_path):
    made = board(tmp_path, tensorrt="8.6", EMULATED_OUT_OF_MEMORY=1)
    bundle = write_bundle(tmp_path / "net.edge")
    done = made.device("build", bundle, "--precision", "int8")
    assert done.returncode == 1
    assert "out of memory (2)" in done.stderr
    assert not list((bundle / "engines").glob("model*"))
    assert not list((bundle / "engines").glob("calibration*"))


def test_calibration_without_cudas_library_says_what_is_missing(on_board, tmp_path, monkeypatch):
    on_board("8.6")
    monkeypatch.setattr(library, "NAMES", ())
    monkeypatch.setattr(library, "FOLDERS", ())
    with pytest.raises(DeviceError, match="CUDA's runtime library"):
        open_engine(as_bundle(tmp_path), precision="int8")


def test_memory_that_a_build_adds_is_the_most_beyond_what_was_in_use(tmp_path, monkeypatch):
    monkeypatch.delenv("EDGESHRINK_SYSROOT", raising=False)
    source = ProcMemory(str(tmp_path))
    with MemoryWatch(source) as watch:
        pass
    assert watch.added() == (None, "the system does not tell its memory")
    told = "MemTotal: 4000 kB\nMemAvailable: {} kB\n"
    (tmp_path / "meminfo").write_text(told.format(3000))
    with MemoryWatch(source) as watch:
        (tmp_path / "meminfo").write_text(told.format(1000))
    assert watch.added() == (2000 * 1024, None)
    monkeypatch.setenv("EDGESHRINK_SYSROOT", str(tmp_path))
    assert watch.added() == (None, "the memory of an emulated board does not change")
