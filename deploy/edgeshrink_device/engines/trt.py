"""TensorRT's Python module: found or not, what it can, and the one logger that all its objects share."""

import re
import sys
import threading
from collections import namedtuple

from edgeshrink_device import boards
from edgeshrink_device.errors import DeviceError

__all__ = ["DTYPES", "Features", "context_bytes", "emulated", "features", "is_there", "load", "logger"]
__all__ += ["make_builder", "tidy"]

Features = namedtuple(
    "Features",
    ["tensor_api", "pool_limits", "explicit_batch", "reduced_precision", "progress_monitor"],
)
Features.__doc__ = """What a version of TensorRT has.

tensor_api: tensors by name and execute_async_v3 (8.5 on), else bindings by number; pool_limits:
set_memory_pool_limit (8.4 on), else max_workspace_size; explicit_batch: the flag that networks from ONNX
files need (to 10); reduced_precision: the flags FP16 and INT8 (to 10), else every network is strongly typed;
progress_monitor: 9 on.
"""

DTYPES = {  # a DataType's name: numpy's
    "FLOAT": "float32",
    "HALF": "float16",
    "INT8": "int8",
    "UINT8": "uint8",
    "INT32": "int32",
    "INT64": "int64",
    "BOOL": "bool",
}
WHERE = re.compile(r"^(?:\[TRT\]\s*)?(?:\S+\.(?:cpp|h)(?:::\w+)*:{1,2}\d+\]?:?\s+)")
NO_GPU = (
    "Add yourself to the group video (sudo usermod -aG video $USER, then log in again); start a container"
    " with --runtime nvidia."
)
CAST = "does not natively support INT64"
CAST_ONCE = "the model has INT64 numbers, which this TensorRT computes as INT32"

_loggers = {}


def load():
    """Import tensorrt.

    Raises:
        DeviceError: It is not there, or cannot be loaded; with what to install.
    """
    try:
        import tensorrt
    except Exception as error:  # a broken installation raises more than ImportError
        absent = isinstance(error, ImportError) and error.name == "tensorrt"
        found = "has no TensorRT" if absent else "cannot load TensorRT: {}".format(error)
        raise DeviceError("{} {}".format(_python(), found), _what_to_install()) from error
    return tensorrt


def is_there():
    """Whether tensorrt can be imported."""
    try:
        load()
    except DeviceError:
        return False
    return True


def emulated(trt):
    """Whether the module is a stand-in for TensorRT."""
    return bool(getattr(trt, "EMULATED", False))


def features(trt):
    """The `Features` of the module."""
    return Features(
        tensor_api=hasattr(trt.ICudaEngine, "num_io_tensors"),
        pool_limits=hasattr(trt.IBuilderConfig, "set_memory_pool_limit"),
        explicit_batch=hasattr(trt.NetworkDefinitionCreationFlag, "EXPLICIT_BATCH"),
        reduced_precision=hasattr(trt.BuilderFlag, "FP16"),
        progress_monitor=hasattr(trt.IBuilderConfig, "progress_monitor"),
    )


def logger(trt):
    """The logger that every object of this process is made with; TensorRT warns where there are several.

    Returns:
        An ILogger with `take()`, which gives and forgets (errors, warnings) as texts without repetitions, and
        `listen`, None or a function called with (severity's name, text) of every message.
    """
    if id(trt) not in _loggers:
        _loggers[id(trt)] = (_make_logger(trt), trt)  # with the module: its id is not given away again
    return _loggers[id(trt)][0]


def context_bytes(engine):
    """Bytes on the device that an execution context of an ICudaEngine takes, by whichever name it has."""
    size = getattr(engine, "device_memory_size_v2", None)  # since 10.3 at the latest; 11 has no other
    return int(engine.device_memory_size if size is None else size)


def make_builder(trt):
    """A Builder.

    Raises:
        DeviceError: TensorRT makes none: there is no GPU that it can reach.
    """
    log = logger(trt)
    try:
        return trt.Builder(log)
    except (TypeError, RuntimeError) as error:  # pybind11's words for a constructor that gave nothing
        told = "; ".join(log.take()[0]) or str(error)
        raise DeviceError("TensorRT cannot use the GPU: {}".format(told), NO_GPU) from error


def _make_logger(trt):
    class Kept(trt.ILogger):
        def __init__(self):
            trt.ILogger.__init__(self)
            self.listen = None
            self._lock = threading.Lock()  # TensorRT logs from threads of its own, too
            self._forget()

        def _forget(self):
            self._errors, self._warnings = [], []

        def log(self, severity, msg):
            """Called by TensorRT; an exception must not leave it, it would end the process."""
            try:
                self._note(severity.name, tidy(msg))
            except Exception as error:
                sys.stderr.write("warning: a message of TensorRT was lost: {}\n".format(error))

        def _note(self, severity, text):
            kept = {"INTERNAL_ERROR": self._errors, "ERROR": self._errors, "WARNING": self._warnings}
            with self._lock:
                if severity in kept and text not in kept[severity]:
                    kept[severity].append(text)
            if self.listen is not None:
                self.listen(severity, text)

        def take(self):
            with self._lock:
                taken = self._errors, self._warnings
                self._forget()
            return taken

    return Kept()


def tidy(message):
    """A message without the place in TensorRT's sources where it was written."""
    text = WHERE.sub("", message.strip())
    return CAST_ONCE if CAST in text else text


def _python():
    return "{} (Python {}.{}.{})".format(sys.executable, *sys.version_info[:3])


def _what_to_install():
    """What brings TensorRT to this Python; the bindings are a package of the system's own Python 3."""
    board = boards.detect()
    if sys.prefix != sys.base_prefix:
        return (
            "This Python is a virtual environment; JetPack puts TensorRT into the system's: make the"
            " environment again with `python3 -m venv --system-site-packages`, or use /usr/bin/python3."
        )
    if board is None:
        return (
            "Run this on the Jetson; on another machine with an NVIDIA GPU: python3 -m pip install tensorrt."
        )
    jetpack = " of JetPack {}".format(board.jetpack) if board.jetpack else ""
    old = (board.l4t or "").startswith("32.")
    container = " In a container it comes from the host: start it with --runtime nvidia." if old else ""
    return "Install the bindings{} for /usr/bin/python3: sudo apt-get install python3-libnvinfer.{}".format(
        jetpack, container
    )
