"""Ranges for INT8: the bundle's samples go through the network once, and what TensorRT learns is kept.

It is kept with its checksum before it: TensorRT believes whatever ranges it is given.

TensorRT swallows what is raised in a calibrator's methods (pyInt8.cpp prints it), so that it is noted and
raised again when the builder has come back.
"""

import hashlib
import os

from edgeshrink_device.engines import folder as kept
from edgeshrink_device.engines.cudart import DeviceMemory
from edgeshrink_device.engines.trt import DTYPES
from edgeshrink_device.errors import InputError
from edgeshrink_device.specs import Spec

__all__ = ["Calibration", "require_samples"]

MOST_BATCHES = 512  # more samples change the ranges of no tensor that is worth the time


def require_samples(samples):
    """Check that there are samples to calibrate with.

    Raises:
        InputError: There are none.
    """
    if samples is None or not os.path.isfile(samples):
        raise InputError(
            "INT8 is calibrated with samples, and {}".format(
                "none are beside the model" if samples is None else "{} is not there".format(samples)
            ),
            "Export the bundle with --samples real.npz, or name samples with --samples FILE.npz.",
        )


class Calibration:
    """A calibrator within the `with` block, as its `calibrator`.

    Args:
        trt: The module.
        network: The parsed network, for the inputs' types and shapes.
        shapes: {input: {"opt": [...]}} of inputs with open sizes.
        samples: Path of the .npz.
        folder, name: Where what was learned is kept.

    Raises:
        InputError: The samples cannot be read or do not fit the network.
        DeviceError: There is no memory on the device.
    """

    def __init__(self, trt, network, shapes, samples, folder, name):
        self._folder, self._name, self._raised = folder, name, None
        self._memory = DeviceMemory()
        feeds = _feeds(network, shapes, samples)
        self.batches = len(feeds)
        self.from_cache = False
        self.calibrator = _make(trt, self, feeds)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._memory.__exit__()

    def check(self):
        """Raise what a method of the calibrator raised."""
        if self._raised is not None:
            raise self._raised

    def put(self, feed, names):
        """Copy one feed to the device; the addresses in the order of `names`."""
        return [self._memory.put(name, feed[name]) for name in names]

    def read(self):
        """What an earlier calibration with these samples learned; None where it is gone or damaged."""
        try:
            with open(os.path.join(self._folder, self._name), "rb") as file:
                data = file.read()
        except OSError:
            return None
        told, _, learned = data.partition(b"\n")
        self.from_cache = bool(learned) and told == _sum(learned)
        return learned if self.from_cache else None

    def write(self, data):
        """Keep what this calibration learned, if it saw all of its samples."""
        if self._raised is None:
            learned = bytes(memoryview(data))
            kept.write(self._folder, self._name, _sum(learned) + b"\n" + learned)

    def guarded(self, function, *words):
        """Call, and note what is raised."""
        try:
            return function(*words)
        except BaseException as error:
            self._raised = self._raised or error
            return None


def _sum(data):
    return hashlib.sha256(data).hexdigest().encode("ascii")


def _make(trt, calibration, feeds):
    class Calibrator(trt.IInt8EntropyCalibrator2):
        def __init__(self):
            trt.IInt8EntropyCalibrator2.__init__(self)
            self._left = iter(feeds)
            self._cache = None  # TensorRT reads it later: it must live as long as the calibrator

        def get_batch_size(self):
            first = next(iter(feeds[0].values()))
            return int(first.shape[0]) if first.ndim else 1

        def get_batch(self, names):
            feed = next(self._left, None)
            return None if feed is None else calibration.guarded(calibration.put, feed, names)

        def read_calibration_cache(self):
            self._cache = calibration.guarded(calibration.read)
            return self._cache

        def write_calibration_cache(self, cache):
            calibration.guarded(calibration.write, cache)

    return Calibrator()


def _feeds(network, shapes, samples):
    """Samples as the network takes them, open sizes at opt; all contiguous."""
    from edgeshrink_device.samples import cut, read_samples

    require_samples(samples)
    tensors = [network.get_input(i) for i in range(network.num_inputs)]
    specs = [_spec(tensor, shapes) for tensor in tensors]
    inputs, _ = read_samples(samples)
    return cut(inputs, {}, specs, [])[0][:MOST_BATCHES]


def _spec(tensor, shapes):
    kind = tensor.dtype.name
    if kind not in DTYPES:
        raise InputError("input '{}' is {}: samples of it cannot be given".format(tensor.name, kind))
    sizes = shapes[tensor.name]["opt"] if tensor.name in shapes else tensor.shape
    return Spec(tensor.name, tuple(int(size) for size in sizes), DTYPES[kind])
