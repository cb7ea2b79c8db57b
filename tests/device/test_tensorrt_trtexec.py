"""What trtexec exports, in the forms of its versions, and how it is called."""

import re

import numpy as np
import onnx
import pytest
from edgeshrink_device.engines.trtexec import Trtexec
from edgeshrink_device.errors import DeviceError, InputError
from edgeshrink_device.inference.onnx_types import read_types
from edgeshrink_device.inference.trtexec_session import (
    TrtexecSession,
    read_outputs,
    read_profile,
    read_times,
)

from .emulated_helpers import model_of, with_half_weights

TIMES_8_2 = """[
  { "startComputeMs" : 199.9, "h2dMs" : 0.2, "computeMs" : 9, "d2hMs" : 0.2, "latencyMs" : 9.4 },
  { "startEnqMs" : 0.1, "endEnqMs" : 0.3, "startH2dMs" : 0, "endH2dMs" : 0.2, "startComputeMs" : 200.2,
    "endComputeMs" : 203.2, "startD2hMs" : 3.2, "endD2hMs" : 3.4, "h2dMs" : 0.2, "computeMs" : 3,
    "d2hMs" : 0.2, "latencyMs" : 3.4, "endToEndMs" : 6.5 }
, { "startComputeMs" : 204, "h2dMs" : 0.2, "computeMs" : 4, "d2hMs" : 0.2, "latencyMs" : 4.4,
    "endToEndMs" : 8 }
]
"""
TIMES_10 = re.sub(r',\s*"endToEndMs" : [\d.]+', "", TIMES_8_2)

TYPES = """
<ir_version: 7, opset_import: ["" : 13]>
net (int64[n, 2] i, float16[3] h, bool b) => (float16[3] y) <float[3] w = {1, 2, 3}> {
  y = Add(h, w)
}
"""


@pytest.mark.parametrize("text", [TIMES_8_2, TIMES_10], ids=["8.2", "10"])
def test_times_are_copies_and_compute_and_the_gpus_compute_alone_after_the_warm_up(text):
    assert np.allclose(read_times(text, 200), [(0.0034, 0.003), (0.0044, 0.004)], atol=1e-12, rtol=0)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[]", "measured no inference"),
        ('[{"computeMs": 1, "startComputeMs": 300}]', "row 1 has no 'latencyMs'"),
        ("[{", "cannot be read"),
        ("", "cannot be read"),
    ],
)
def test_times_that_cannot_be_read_are_told(text, said):
    with pytest.raises(DeviceError, match=said):
        read_times(text, 200)


def test_outputs_keep_their_shapes_and_what_is_no_number():
    text = '[ { "name" : "nan, inf" , "dimensions" : "1x2x2" , "values" : [ 1.5, nan, -inf, -nan ] } ]'
    found = read_outputs(text)["nan, inf"]
    assert found.shape == (1, 2, 2)
    assert np.array_equal(found.ravel(), [1.5, np.nan, -np.inf, np.nan], equal_nan=True)


def test_a_scalar_output_has_no_dimensions():
    assert read_outputs('[{"name": "y", "dimensions": "", "values": [3]}]')["y"].shape == ()


def test_outputs_that_do_not_fit_their_dimensions_are_told():
    with pytest.raises(DeviceError, match="outputs cannot be read"):
        read_outputs('[{"name": "y", "dimensions": "2", "values": [3]}]')


def test_layer_times_are_the_means():
    text = '[{"count": 7}, {"name": "conv", "timeMs": 14, "averageMs": 2, "percentage": 100}]'
    assert read_profile(text) == ([("conv", 2)], 7)


@pytest.mark.parametrize("text", ["[]", "{}", '[{"name": "conv"}]'])
def test_layer_times_that_cannot_be_read_are_told(text):
    with pytest.raises(DeviceError, match="layer times cannot be read"):
        read_profile(text)


def words(options, **asked):
    program = Trtexec("trtexec", "1.2.3", set(options), True)
    return TrtexecSession(program, "m.engine", asked.pop("shapes", {}), **asked)._words


def test_what_trtexec_11_leaves_out_is_asked_for():
    known = ["--includeDataTransfers", "--noSpinWait", "--noCudaGraph", "--useCudaGraph"]
    assert words([]) == ["trtexec", "--loadEngine=m.engine"]
    assert words(known)[2:] == known[:3]
    assert words(known, graph=True)[2:] == [*known[:2], known[3]]


def test_open_sizes_are_given_with_names_quoted_where_they_need_it():
    shapes = {"x": (1, 3), "serving:0": (2,)}
    assert words([], shapes=shapes)[2] == "--shapes='serving:0':2,x:1x3"


def test_a_program_that_does_not_run_is_told():
    session = TrtexecSession(Trtexec("/nowhere/trtexec", "8.2.1", set(), True), "m.engine", {})
    with pytest.raises(DeviceError, match="/nowhere/trtexec: does not run"):
        session.times(1, 1, None)


def test_a_program_that_fails_without_a_word_has_its_status_told(tmp_path):
    program = tmp_path / "trtexec"
    session = TrtexecSession(Trtexec(str(program), "8.2.1", set(), True), "m.engine", {})
    for end, told in (("exit 3", "exit status 3"), ("kill -9 $$", "signal 9")):
        program.write_text("#!/bin/sh\n" + end + "\n")
        program.chmod(0o755)
        with pytest.raises(DeviceError, match="does not run the engine: " + told):
            session.times(1, 1, None)


def test_types_of_inputs_and_outputs_are_read_from_the_model(tmp_path):
    (tmp_path / "m.onnx").write_bytes(with_half_weights(model_of(TYPES)))
    types = read_types(str(tmp_path / "m.onnx"))
    assert types.inputs == [("i", (None, 2), "int64"), ("h", (3,), "float16"), ("b", (), "bool")]
    assert types.outputs == [("y", (3,), "float16")]
    assert types.has_float16


def test_weights_are_no_inputs_and_strings_are_refused(tmp_path):
    model = onnx.load_from_string(model_of(TYPES.replace("float16", "float")))
    model.graph.input.append(onnx.helper.make_tensor_value_info("w", onnx.TensorProto.FLOAT, [3]))
    onnx.save(model, tmp_path / "m.onnx")
    types = read_types(str(tmp_path / "m.onnx"))
    assert [spec.name for spec in types.inputs] == ["i", "h", "b"]
    assert not types.has_float16
    model.graph.input.append(onnx.helper.make_tensor_value_info("s", onnx.TensorProto.STRING, [3]))
    onnx.save(model, tmp_path / "m.onnx")
    with pytest.raises(InputError, match="the types of its inputs cannot be read"):
        read_types(str(tmp_path / "m.onnx"))
