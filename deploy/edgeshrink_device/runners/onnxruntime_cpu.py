"""`cpu`: ONNX Runtime on this machine's CPU."""

import os
import time

from edgeshrink_device.asked_shapes import at_asked
from edgeshrink_device.errors import DeviceError, InputError
from edgeshrink_device.open_sizes import at_opt
from edgeshrink_device.replaced import replaced
from edgeshrink_device.runners import RUNNERS, Runner
from edgeshrink_device.specs import Spec

__all__ = ["OnnxRuntimeCpu"]

DTYPES = {
    "tensor(float)": "float32",
    "tensor(double)": "float64",
    "tensor(float16)": "float16",
    "tensor(bool)": "bool",
    "tensor(int8)": "int8",
    "tensor(int16)": "int16",
    "tensor(int32)": "int32",
    "tensor(int64)": "int64",
    "tensor(uint8)": "uint8",
    "tensor(uint16)": "uint16",
    "tensor(uint32)": "uint32",
    "tensor(uint64)": "uint64",
}


@RUNNERS.register("cpu")
class OnnxRuntimeCpu(Runner):
    """A session on the CPU execution provider, with all graph optimizations and a fixed number of threads."""

    gpu_reason = "ONNX Runtime ran on the CPU: there is no GPU time"
    engine_reason = "ONNX Runtime builds no engine file; its memory is part of process_peak"
    clock = staticmethod(time.perf_counter)

    def prepare(self):
        """Import ONNX Runtime; returns its version."""
        try:
            import onnxruntime
        except ImportError as error:
            raise DeviceError(
                "ONNX Runtime cannot be imported: {}".format(error),
                "Install it: python3 -m pip install onnxruntime",
            ) from error
        self._runtime = onnxruntime
        onnxruntime.set_default_logger_severity(3)
        return {"onnxruntime": onnxruntime.__version__}

    def load(self, path, threads):
        """Open a session with `threads` threads inside an operator and one operator at a time.

        Open sizes are taken as they were asked for, else as the bundle's manifest has them at opt.
        """
        options = self._runtime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        try:
            session = self._runtime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        except Exception as error:
            raise _load_error(path, error) from error
        inputs = [_spec(value, "input", path) for value in session.get_inputs()]
        self.open_batch = bool(inputs) and inputs[0].shape[:1] == (None,)
        inputs = at_opt(at_asked(inputs, self.asked), path)
        outputs = [_spec(value, "output", path) for value in session.get_outputs()]
        names = [spec.name for spec in outputs]
        self.run = lambda feed: session.run(names, feed)
        self._path = path
        return inputs, outputs

    def about(self):
        """Of the model's file: whether it is its bundle's."""
        return dict(super().about(), warnings=list(filter(None, [replaced(self._path)])))


def _spec(value, role, path):
    if value.type not in DTYPES:
        raise InputError(
            "{}: {} '{}' is {}, not a tensor of numbers".format(path, role, value.name, value.type)
        )
    shape = tuple(size if isinstance(size, int) else None for size in value.shape)
    return Spec(value.name, shape, DTYPES[value.type])


def _load_error(path, error):
    """ONNX Runtime's exceptions share no base class; 'not implemented' alone means that the file is right."""
    text = str(error).split("\n")[0].replace(path, os.path.basename(path))
    if type(error).__name__ == "NotImplemented":
        return DeviceError("{}: ONNX Runtime cannot run it: {}".format(path, text))
    return InputError(
        "{}: ONNX Runtime cannot load it: {}".format(path, text), "Check that the file is a whole ONNX model."
    )
