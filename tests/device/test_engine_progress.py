"""The line of progress: what it says of TensorRT's messages, and that a pipe gets none."""

import io

from edgeshrink_device.engines.progress import Progress


def test_layers_are_counted_from_what_tensorrt_logs():
    progress = Progress(io.StringIO())
    progress.begin("building m.onnx in FP16")
    assert progress.line() == "building m.onnx in FP16: 0:00"
    progress.listen("VERBOSE", "Original: 120 layers")
    progress.listen("VERBOSE", "After Myelin optimization: 95 layers")
    progress.listen("VERBOSE", "After scale fusion: 93 layers")
    assert progress.line().endswith(", 93 layers")
    for name in ("Conv_0 + Relu_1", "Conv_0 + Relu_1", "Gemm_7"):
        progress.listen("VERBOSE", f"--------------- Timing Runner: {name} (CudnnConvolution)")
    assert progress.line().endswith(", 2 of 93 layers timed")
    progress.begin("building n.onnx in FP32")
    assert progress.line() == "building n.onnx in FP32: 0:00"


def test_steps_are_told_where_there_is_a_monitor():
    progress = Progress(io.StringIO())
    progress.begin("m")
    progress.step("Tactic selection", 3, 12)
    assert progress.line() == "m: 0:00, Tactic selection 3/12"


def test_a_pipe_gets_nothing():
    stream = io.StringIO()
    with Progress(stream) as progress:
        progress.begin("m")
        progress.step("p", 1, 2)
    assert stream.getvalue() == ""
