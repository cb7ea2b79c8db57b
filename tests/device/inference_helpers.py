"""Bundles with expected outputs, and their profiles on emulated boards."""

import json

import numpy as np

from .emulated_helpers import convolution, picture, reference

QUICK = ["--device", "jetson", "--seconds", "0.02", "--runs", "8", "--launches", "1", "--power", "none"]

LOOKUP = """
<ir_version: 7, opset_import: ["" : 13]>
net (int64[2] i) => (float[2, 2] y, int64[2] j) <float[3, 2] t = {1, 2, 3, 4, 5, 6}> {
  y = Gather(t, i)
  j = Identity(i)
}
"""

HALF_WEIGHTS = """
<ir_version: 7, opset_import: ["" : 13]>
net (float[1, 4] x) => (float[1, 4] y) <float[4] w = {1, 2, 3, 4}> {
  h = Cast<to = 10>(x)
  m = Mul(h, w)
  y = Cast<to = 1>(m)
}
"""


def write_bundle(folder, baseline=True, wrong=0.0, samples=6):
    """A bundle of convolutions; `wrong` is added to what is expected of them."""
    folder.mkdir()
    names = ["model.onnx", "baseline.onnx"] if baseline else ["model.onnx"]
    for name in names:
        (folder / name).write_bytes(convolution())
    x = picture(samples)
    y = np.concatenate([reference(convolution(), x=x[i : i + 1])[0] for i in range(samples)])
    np.savez(folder / "samples.npz", **{"in/x": x, "out/y": y + np.float32(wrong)})
    return folder


def profiled(made, bundle, *words, **options):
    """What `profile --device jetson` does on a board: the finished process."""
    return made.device("profile", bundle, *QUICK, *words, **options)


def document(bundle, model="model"):
    """The profile that was written."""
    return json.loads((bundle / f"profile-jetson-{model}.json").read_text())
