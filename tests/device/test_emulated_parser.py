"""The parsers of the stand-ins: what they take, what they refuse and how they say so."""

import numpy as np
import onnx
import pytest

from .emulated_helpers import (
    VERSIONS,
    Quiet,
    convolution,
    engine,
    enqueue,
    load,
    model_of,
    network,
    picture,
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
        assert enqueue(trt, made.create_execution_context(), [x.ctypes.data, out.ctypes.data])
        assert np.array_equal(out, x.mean() * np.ones((1, 1)) if version in OLD else x.mean(0, keepdims=True))
    assert shapes == {"8.2": (1, 1), "8.6": (1, 1), "10.3": (1, 3)}


def test_the_printing_logger_keeps_to_its_severity(capsys):
    trt = load("8.2")
    parser = trt.OnnxParser(trt.Builder(trt.Logger()).create_network(1), trt.Logger(trt.Logger.ERROR))
    parser.parse(b"no model")
    told = capsys.readouterr()
    assert told.out == ""
    assert "[TRT] [E] ModelImporter.cpp" in told.err
