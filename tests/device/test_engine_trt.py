"""TensorRT's module: found or not, what a version has, and the logger."""

import sys

import pytest
from edgeshrink_device import DeviceError
from edgeshrink_device.engines import trt

from .emulated_helpers import VERSIONS, load

HAS = {
    "8.2": (False, False, True, True, False),
    "8.6": (True, True, True, True, False),
    "10.3": (True, True, True, True, True),
    "10.16": (True, True, True, True, True),
    "11.4": (True, True, False, False, True),
}


@pytest.mark.parametrize("version", VERSIONS)
def test_what_a_version_has_is_seen_by_looking(version):
    assert tuple(trt.features(load(version))) == HAS[version]
    assert trt.emulated(load(version))


@pytest.mark.parametrize(("kind", "words"), [("jetson-nano", "--runtime nvidia"), ("jetson-orin-nano", "")])
def test_without_tensorrt_it_says_what_to_install(on_board, monkeypatch, kind, words):
    on_board("8.2", kind=kind)
    monkeypatch.setattr(sys, "base_prefix", sys.prefix)
    monkeypatch.setitem(sys.modules, "tensorrt", None)
    with pytest.raises(DeviceError, match="has no TensorRT") as caught:
        trt.load()
    assert "sudo apt-get install python3-libnvinfer" in caught.value.hint
    assert "JetPack 4.6.1" in caught.value.hint
    assert words in caught.value.hint
    assert not trt.is_there()


def test_in_a_virtual_environment_it_says_so(monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorrt", None)
    monkeypatch.setattr(sys, "base_prefix", sys.prefix + "-of-the-system")
    with pytest.raises(DeviceError) as caught:
        trt.load()
    assert "--system-site-packages" in caught.value.hint


def test_all_objects_share_one_logger():
    module, other = load("8.2"), load("8.6")
    assert trt.logger(module) is trt.logger(module)
    assert trt.logger(module) is not trt.logger(other)


def test_messages_are_kept_once_without_their_place_in_the_sources():
    module = load("8.2")
    log = trt.logger(module)
    for line in (366, 367):
        log.log(
            module.ILogger.WARNING,
            f"onnx2trt_utils.cpp:{line}: Your ONNX model has been generated with INT64 weights, while"
            " TensorRT does not natively support INT64. Attempting to cast down to INT32.",
        )
    log.log(module.ILogger.WARNING, "One or more weights outside the range of INT32 was clamped")
    log.log(module.ILogger.ERROR, "ModelImporter.cpp:773: ERROR: it is wrong")
    log.log(module.ILogger.VERBOSE, "nothing to keep")
    errors, warnings = log.take()
    assert errors == ["ERROR: it is wrong"]
    assert warnings == [trt.CAST_ONCE, "One or more weights outside the range of INT32 was clamped"]
    assert log.take() == ([], [])


def test_nothing_that_a_listener_raises_reaches_tensorrt(capsys):
    module = load("10.3")
    log = trt.logger(module)
    log.listen = lambda severity, text: 1 / 0
    log.log(module.ILogger.ERROR, "kept all the same")
    log.listen = None
    assert log.take()[0] == ["kept all the same"]
    assert "a message of TensorRT was lost" in capsys.readouterr().err


def test_a_gpu_that_cannot_be_reached_is_told_with_what_to_do():
    module = load("8.6")

    def refuse(log):
        log.log(module.ILogger.ERROR, "CUDA initialization failure with error: 100")
        raise TypeError("pybind11::init(): factory function returned nullptr")

    module.Builder = refuse
    with pytest.raises(DeviceError, match="CUDA initialization failure with error: 100") as caught:
        trt.make_builder(module)
    assert "--runtime nvidia" in caught.value.hint
