"""Bundles and boards for the tests of engines."""

import json
import sys

import numpy as np
import onnx
import onnx.parser
from edgeshrink_device.engines import cudart

from tests.emulated_jetson.board import board

from .emulated_helpers import convolution, picture

REFUSED = """
<ir_version: 7, opset_import: ["" : 13, "own" : 1]>
net (float[1, 4] x) => (float[1, 4] y) <float[4] head.0.weight = {1, 2, 3, 4}> {
  a = own.Flub(x)
  b = Mul(a, head.0.weight)
  c = Relu(b)
  y = own.Blarg(c, head.0.weight)
}
"""


def write_bundle(folder, data=None, manifest=None, baseline=False):
    """A bundle whose model is `data` (a convolution unless given), with six samples; its folder."""
    folder.mkdir()
    (folder / "model.onnx").write_bytes(data or convolution())
    if baseline:
        (folder / "baseline.onnx").write_bytes(data or convolution())
    np.savez(folder / "samples.npz", **{"in/x": picture(6)})
    if manifest is not None:
        (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder


def refused_model():
    """A model with two operators that no parser knows; its nodes have names."""
    model = onnx.parser.parse_model(REFUSED.replace("head.0.weight", "head_0_weight"))
    for value in model.graph.initializer:
        value.name = "head.0.weight"
    for node in model.graph.node:
        node.name = node.output[0] + "_node"
        for index, name in enumerate(node.input):
            if name == "head_0_weight":
                node.input[index] = "head.0.weight"
    return model.SerializeToString()


def boards(tmp_path, monkeypatch):
    """What a fixture yields from: a function that puts this process on a board.

    It takes a version of TensorRT and what `board` takes.
    """

    def go(version="8.2", **options):
        made = board(tmp_path, tensorrt=version, cudart=False, **options)
        made.use(monkeypatch)
        for name in ("LD_LIBRARY_PATH", "EMULATED_LIBCUDART"):
            monkeypatch.delenv(name, raising=False)
        forget()
        return made

    forget()
    yield go
    forget()


def forget():
    sys.modules.pop("tensorrt", None)
    cudart._library.cache_clear()


def files(folder):
    """Names in a folder of engines, without the digests."""
    return sorted({path.name.rsplit("-", 1)[0] + path.suffix for path in folder.iterdir()})
