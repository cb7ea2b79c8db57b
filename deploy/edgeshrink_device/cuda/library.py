"""Find libcudart: JetPack 4 to 7 have versions 10.2 to 13, in folders that containers do not always search.

The dynamic loader is asked first, which knows LD_LIBRARY_PATH and ldconfig's folders; then where CUDA is
installed. A library newer than the driver finds no GPU (cudaErrorInsufficientDriver), so the first that finds
one is taken.
"""

import ctypes
import glob

from edgeshrink_device import program, sysroot
from edgeshrink_device.errors import DeviceError

__all__ = ["Cudart", "is_there", "load"]

NAMES = ("libcudart.so", "libcudart.so.13", "libcudart.so.12", "libcudart.so.11.0", "libcudart.so.10.2")
FOLDERS = (
    "/usr/local/cuda/lib64",
    "/usr/local/cuda/targets/*-linux/lib",
    "/usr/local/cuda-*/lib64",
    "/usr/local/cuda-*/targets/*-linux/lib",
    "/usr/lib/*-linux-gnu",
)
NEAR_LIBRARY = "Add its folder to LD_LIBRARY_PATH (on a Jetson /usr/local/cuda/lib64), or install PyCUDA."
NEAR_DEVICE = "In a container, start it with --runtime nvidia; `{}` looks at the rest."

_address, _size, _number = ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int
_to = ctypes.POINTER
SIGNATURES = {
    "cudaGetDeviceCount": [_to(_number)],
    "cudaRuntimeGetVersion": [_to(_number)],
    "cudaMemGetInfo": [_to(_size), _to(_size)],
    "cudaMalloc": [_to(_address), _size],
    "cudaFree": [_address],
    "cudaHostAlloc": [_to(_address), _size, ctypes.c_uint],
    "cudaFreeHost": [_address],
    "cudaMemcpyAsync": [_address, _address, _size, _number, _address],
    "cudaStreamCreate": [_to(_address)],
    "cudaStreamDestroy": [_address],
    "cudaStreamSynchronize": [_address],
    "cudaEventCreate": [_to(_address)],
    "cudaEventDestroy": [_address],
    "cudaEventRecord": [_address, _address],
    "cudaEventSynchronize": [_address],
    "cudaEventElapsedTime": [_to(ctypes.c_float), _address, _address],
    "cudaGetLastError": [],
}
GRAPHS = {
    "cudaStreamBeginCapture": [_address, _number],
    "cudaStreamEndCapture": [_address, _to(_address)],
    # (exec, graph, error node, log, size) to CUDA 11, (exec, graph, flags) from 12 on: zeros do for both
    "cudaGraphInstantiate": [_to(_address), _address, _address, _address, _size],
    "cudaGraphLaunch": [_address, _address],
    "cudaGraphDestroy": [_address],
    "cudaGraphExecDestroy": [_address],
}


class Cudart:
    """The library's functions by name, each raising where its status is not 0.

    Args:
        path: What the dynamic loader takes.

    Raises:
        OSError: It cannot be loaded.
        AttributeError: It lacks a function.
    """

    def __init__(self, path):
        self.path = path
        self._library = ctypes.CDLL(path)
        self.emulated = hasattr(self._library, "edgeshrink_emulated")
        self._text = self._library.cudaGetErrorString
        self._text.argtypes, self._text.restype = [_number], ctypes.c_char_p
        for name, types in SIGNATURES.items():
            getattr(self._library, name).argtypes = types
        self.has_graphs = all(hasattr(self._library, name) for name in GRAPHS)
        for name, types in GRAPHS.items() if self.has_graphs else ():
            getattr(self._library, name).argtypes = types

    def status(self, name, *words):
        """Call; the status as an int."""
        return getattr(self._library, name)(*words)

    def call(self, name, *words):
        """Call.

        Raises:
            DeviceError: The status is not 0; the message has the function and CUDA's own text.
        """
        status = getattr(self._library, name)(*words)
        if status:
            raise DeviceError("CUDA: {}: {} ({})".format(name, self.text(status), status))

    def text(self, status):
        """What CUDA says a status means."""
        return self._text(status).decode("ascii", "replace")

    def made(self, name, *words):
        """The handle that a function like cudaStreamCreate writes to its first argument."""
        handle = _address()
        self.call(name, ctypes.byref(handle), *words)
        return handle

    def version(self):
        """CUDA's version as text: 10020 is 10.2."""
        number = _number()
        self.call("cudaRuntimeGetVersion", ctypes.byref(number))
        return "{}.{}".format(number.value // 1000, number.value % 1000 // 10)


def is_there():
    """Whether there is a libcudart that finds a GPU."""
    try:
        load()
    except DeviceError:
        return False
    return True


def load():
    """The first `Cudart` that finds a GPU.

    Raises:
        DeviceError: There is none, or none finds a GPU.
    """
    refused = ""
    for path in _candidates():
        try:
            cudart = Cudart(path)
        except (OSError, AttributeError):
            continue
        count = _number()
        status = cudart.status("cudaGetDeviceCount", ctypes.byref(count))
        if status == 0 and count.value > 0:
            return cudart
        refused = refused or "{}: {}".format(path, cudart.text(status) if status else "no GPU")
    if refused:
        raise DeviceError(
            "CUDA finds no GPU: {}".format(refused), NEAR_DEVICE.format(program.command("doctor"))
        )
    raise DeviceError("neither PyCUDA nor CUDA's runtime library (libcudart) is found", NEAR_LIBRARY)


def _candidates():
    for name in () if sysroot.emulated() else NAMES:  # the loader knows this machine's, not a stand-in's
        yield name
    for folder in FOLDERS:
        found = glob.glob(sysroot.path(folder + "/libcudart.so*"))
        for path in sorted(found, key=_release, reverse=True):
            yield path


def _release(path):
    """The numbers in a path, so that cuda-10.2 comes after cuda-9.0."""
    words = path.replace("-", ".").replace("/", ".").split(".")
    return [int(word) for word in words if word.isdigit()]
