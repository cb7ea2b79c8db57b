"""Tiny models and profiles for the device package's tests."""

import importlib
import json
import sys

import numpy as np
import onnx
import onnx.parser
import pytest

QUICK = {"seconds": 0.02, "runs": 8, "launches": 1, "power_source": "none"}
QUICK_WORDS = ["--seconds", "0.02", "--runs", "8", "--launches", "1", "--power", "none"]

DOUBLE = """
<ir_version: 7, opset_import: ["" : 13]>
double (float[{batch}, 4] x) => (float[{batch}, 4] y) {{
  two = Constant <value = float {{{factor}}}> ()
  y = Mul(x, two)
}}
"""


def host(name):
    """A module of edgeshrink itself; under the Python of the boards, too old for it, the test is skipped."""
    if sys.version_info < (3, 10):
        pytest.skip("edgeshrink itself needs Python 3.10 or newer", allow_module_level=True)
    return importlib.import_module(name)


def write_double(path, batch="1", factor="2.0"):
    """An ONNX model y = factor x with four numbers a sample."""
    onnx.save(onnx.parser.parse_model(DOUBLE.format(batch=batch, factor=factor)), path)
    return str(path)


def write_null(path, latency_ms=2.0, shape=(1, 4)):
    """A model of the null device."""
    model = {"latency_ms": latency_ms, "inputs": {"x": list(shape)}, "outputs": {"y": list(shape)}}
    path.write_text(json.dumps(model))
    return str(path)


def write_bundle(folder, baseline="2.0", model="2.0"):
    """A bundle of two doubling models with 6 samples; other factors make their outputs wrong."""
    folder.mkdir()
    write_double(folder / "baseline.onnx", factor=baseline)
    write_double(folder / "model.onnx", factor=model)
    x = np.arange(24, dtype=np.float32).reshape(6, 4)
    np.savez(folder / "samples.npz", **{"in/x": x, "out/y": 2 * x})
    return str(folder)


def profile(times_ms, launches=8, session="s"):
    """As much of a profile.json as comparing needs: equally many times a launch."""
    each = len(times_ms) // launches
    return {
        "model": {"name": "m"},
        "session": {"id": session},
        "latency_ms": {"end_to_end": {"times_ms": list(times_ms)}},
        "blocks": [{"launch": i, "round": 0, "runs": each} for i in range(launches)],
    }
