"""DFT(x) -> MatMul(x, cosines and sines); STFT(x, step, window) -> Conv(x, windowed cosines and sines).

Below opset 17 (DFT: 20, which moved its axis into an input), and for parsers without them: TensorRT has
neither. The transform as the ONNX standard writes it, one product for each pair of sample and frequency.
Angles are reckoned from whole numbers modulo the length, so every factor is right to the last bit of its
type. What differs from a fast transform is the order of a sum of n products: its rounding grows as sqrt(n),
32 times 6e-8 for n = 1024, which lies below the tolerance of 2e-5 of an output's scale.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx_ir as ir

from edgeshrink.graph.stored import stored_array
from edgeshrink.lower.rule import NodeRule, Recorder

__all__ = ["LowerDFT", "LowerSTFT"]

Basis = np.ndarray[Any, np.dtype[np.float64]]
LIMIT = 2**24  # factors in a basis: 64 MB


class LowerDFT(NodeRule):
    """Fires on floats and a constant length along a static axis."""

    op_types = frozenset({"DFT"})
    native_from = 20

    def rewrite(self, node: ir.Node, op: Recorder) -> Sequence[ir.Value] | None:
        """The axis goes last but one, where samples and their two parts are one row."""
        x, length, axis = node.inputs[0], *(*node.inputs[1:], None, None)[:2]
        if x is None or x.shape is None or x.dtype not in (ir.DataType.FLOAT, ir.DataType.DOUBLE):
            return None
        rank, at = x.shape.rank(), _axis(node, axis, self.target.source)
        if at is None or at % rank == rank - 1:
            return None
        at %= rank
        samples, parts = x.shape[at], x.shape[-1]
        if not isinstance(samples, int) or not isinstance(parts, int) or not samples:
            return None
        given = stored_array(length)
        if length is not None and given is None:
            return None
        basis = _transform(node, samples, parts, None if given is None else int(given.item()))
        if basis is None:
            return None
        frequencies, out = basis.shape[2:]
        swap = [*range(at), *range(at + 1, rank - 1), at, rank - 1]
        row = op("Transpose", x, perm=swap) if at != rank - 2 else x
        row = op("Reshape", row, op.constant([*[0] * (rank - 2), samples * parts]))
        product = op("MatMul", row, op.constant(basis.reshape(samples * parts, frequencies * out), x.dtype))
        found = op("Reshape", product, op.constant([*[0] * (rank - 2), frequencies, out]))
        back = [int(place) for place in np.argsort(swap)]
        return [op("Transpose", found, perm=back) if at != rank - 2 else found]

    def _is_foreign(self, node: ir.Node) -> bool:
        since = 17 if self.target.source < 20 else 20  # nothing changes between them but where the axis is
        return self.opset < min(since, self.target.source) or self.target.lacks("DFT")


class LowerSTFT(NodeRule):
    """Fires on float32 of known parts, a constant step and frame, and a constant window or none."""

    op_types = frozenset({"STFT"})
    native_from = 17

    def rewrite(self, node: ir.Node, op: Recorder) -> Sequence[ir.Value] | None:
        """The length of the signal need not be known."""
        x, step, window, length = (*node.inputs, None, None)[:4]
        if x is None or x.dtype != ir.DataType.FLOAT or x.shape is None or x.shape.rank() not in (2, 3):
            return None
        parts = 1 if x.shape.rank() == 2 else x.shape[2]
        stride, shape, frame = stored_array(step), stored_array(window), stored_array(length)
        if stride is None or (window is not None and shape is None) or (length is not None and frame is None):
            return None
        size = int(frame.item()) if frame is not None else len(shape) if shape is not None else 0
        if not isinstance(parts, int) or size <= 0 or (shape is not None and len(shape) != size):
            return None
        onesided = node.attributes.get_int("onesided", 1) == 1
        frequencies = size // 2 + 1 if onesided else size
        if (onesided and parts == 2) or size * parts * frequencies * 2 > LIMIT:
            return None
        basis = _basis(size, size, frequencies, inverse=False)[:, :parts]
        if shape is not None:
            basis = basis * shape.astype(np.float64).reshape(-1, 1, 1, 1)
        kernels = basis.transpose(3, 2, 1, 0).reshape(2 * frequencies, parts, size)
        signal = (
            op("Transpose", x, perm=[0, 2, 1])
            if x.shape.rank() == 3
            else op("Unsqueeze", x, op.constant([1]))
        )
        frames = op("Conv", signal, op.constant(kernels, x.dtype), strides=[int(stride.item())])
        apart = op("Reshape", frames, op.constant([0, 2, frequencies, -1]))
        return [op("Transpose", apart, perm=[0, 3, 2, 1])]


def _axis(node: ir.Node, given: ir.Value | None, opset: int) -> int | None:
    """The axis of the samples, an attribute before opset 20; None where it is computed."""
    if opset < 20:
        return node.attributes.get_int("axis", 1)
    if given is None:
        return -2
    axis = stored_array(given)
    return None if axis is None else int(axis.item())


def _transform(node: ir.Node, samples: int, parts: int, length: int | None) -> Basis | None:
    """The basis of a DFT, (sample, parts, frequency, parts of it); None where it is none or too large.

    A one-sided inverse makes real samples of half a spectrum, whose other half is its mirror image. It must
    be that half and no other: runtimes do not agree on what is missing or left over.
    """
    inverse, onesided = (node.attributes.get_int(name, 0) == 1 for name in ("inverse", "onesided"))
    count = length or (2 * (samples - 1) if inverse and onesided else samples)
    frequencies = count // 2 + 1 if onesided and not inverse else count
    if onesided and ((parts == 2) != inverse or (inverse and samples != count // 2 + 1)):
        return None
    if count < 1 or samples * parts * frequencies * 2 > LIMIT:
        return None
    basis = _basis(samples, count, frequencies, inverse)[:, :parts]
    if not (inverse and onesided):
        return basis
    bins = np.arange(samples)
    shares = np.where((bins == 0) | (2 * bins == count), 1.0, 2.0)
    return basis[..., :1] * shares.reshape(-1, 1, 1, 1)


def _basis(samples: int, count: int, frequencies: int, inverse: bool) -> Basis:
    """What each part of each sample gives to each part of each frequency: (sample, 2, frequency, 2).

    Samples past `count` are not read, and give nothing.
    """
    turns = np.outer(np.arange(samples), np.arange(frequencies)) % count
    angles = 2 * np.pi * turns / count
    cos, sin = np.cos(angles), np.sin(angles) * (-1 if inverse else 1)
    basis = np.stack([np.stack([cos, -sin], axis=-1), np.stack([sin, cos], axis=-1)], axis=1)
    basis[count:] = 0
    return basis / count if inverse else basis
