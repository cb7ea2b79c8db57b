"""Calibration of INT8: the batches of a calibrator, or its cache."""

import ctypes

from .logger import tell
from .network import binding_type

NO_CALIBRATOR = (
    "Calibrator is not being used. Users must provide dynamic range for all tensors that are not Int32."
)


class Calibrator:
    """What the four kinds of calibrators derive from: a subclass gives the batches."""

    def __init__(self, api):
        pass

    def get_algorithm(self):
        raise NotImplementedError("of the calibrators' algorithms there is one only here")


def calibrate(api, logger, network, config):
    """{input: largest magnitude}, from the calibrator's cache or from its batches, read as device memory.

    TensorRT finds a range for every tensor between the layers; here it is the inputs' alone.
    """
    calibrator = config.int8_calibrator
    if calibrator is None:
        tell(api, logger, "WARNING", NO_CALIBRATOR)
        return {}
    cached = calibrator.read_calibration_cache()
    if cached is not None and len(bytes(memoryview(cached))):
        lines = bytes(memoryview(cached)).decode().splitlines()[1:]
        return {name: float(number) for name, _, number in (line.rpartition(": ") for line in lines)}
    ranges = read_batches(api, calibrator, network)
    lines = ["TRT-{}-EntropyCalibration2".format(api.full_version.replace(".", ""))]
    lines += [f"{name}: {ranges[name]!r}" for name in sorted(ranges)]
    calibrator.write_calibration_cache(("\n".join(lines) + "\n").encode())
    return ranges


def read_batches(api, calibrator, network):
    import numpy as np

    names = [value.name for value in network.model.inputs]
    batch, ranges = calibrator.get_batch_size(), {}
    while True:
        addresses = calibrator.get_batch(names)
        if not addresses:
            return ranges
        for value, address in zip(network.model.inputs, addresses):
            if binding_type(api, value.type) != "FLOAT":
                continue
            count = batch
            for dimension in value.shape[1:]:
                count *= dimension
            data = np.frombuffer((ctypes.c_float * count).from_address(int(address)), np.float32)
            ranges[value.name] = max(ranges.get(value.name, 0.0), float(np.abs(data).max()))
