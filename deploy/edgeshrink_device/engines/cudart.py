"""The few calls of CUDA's runtime library that building takes: which GPU this is, memory to calibrate from.

Through ctypes, since nothing else is sure to be there. Numbers of attributes: enum cudaDeviceAttr.
"""

import ctypes
import functools
from collections import namedtuple

from edgeshrink_device import boards, sysroot
from edgeshrink_device.errors import DeviceError

__all__ = ["DeviceMemory", "Gpu", "gpu", "library"]

Gpu = namedtuple("Gpu", ["name", "sm", "emulated"])
Gpu.__doc__ = """The GPU; None where not known. name: as CUDA calls it, with the Jetson's module or model, as
boards with one chip differ in what it has left; sm: compute capability as text; emulated: a stand-in's."""

NAMES = ("libcudart.so", "libcudart.so.13", "libcudart.so.12", "libcudart.so.11.0", "libcudart.so.10.2")
FOLDERS = ("", "/usr/local/cuda/lib64/")
MAJOR, MINOR = 75, 76
PROPERTIES_BYTES = 1 << 14  # cudaDeviceProp has grown to about 1 KB; its first 256 bytes are the name
TO_DEVICE = 1


@functools.lru_cache(maxsize=1)
def library():
    """The runtime library, or None where there is none."""
    for name in [folder + name for folder in FOLDERS for name in NAMES]:
        try:
            return ctypes.CDLL(name)
        except OSError:
            continue
    return None


def gpu():
    """The `Gpu` that engines are built for."""
    cudart, board = library(), boards.detect()
    major, minor = (_attribute(cudart, number) for number in (MAJOR, MINOR))
    sm = board.sm if board and major is None else None
    if major is not None and minor is not None:
        sm = "{}.{}".format(major, minor)
    module = board and (board.module or board.model)
    name = ", ".join(filter(None, [_name(cudart) or (board and board.chip), module]))
    return Gpu(name or None, sm, sysroot.emulated() or hasattr(cudart, "edgeshrink_emulated"))


class DeviceMemory:
    """Memory on the device by name, all of it given back on leaving the `with` block.

    Raises:
        DeviceError: There is no runtime library, or it refuses.
    """

    def __init__(self):
        self._library = library()
        if self._library is None:
            raise DeviceError(
                "calibration needs CUDA's runtime library (libcudart), and none is found",
                "Add its folder to LD_LIBRARY_PATH: /usr/local/cuda/lib64 on a Jetson.",
            )
        self._blocks = {}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for address, _ in self._blocks.values():
            self._library.cudaFree(ctypes.c_void_p(address))
        self._blocks = {}

    def put(self, name, array):
        """Copy a contiguous numpy array there; the block of that name is used again where it is as large.

        Returns:
            The address, an int.
        """
        address, size = self._blocks.get(name, (None, 0))
        if size != array.nbytes:
            address = self._allocate(name, array.nbytes)
        words = (ctypes.c_void_p(address), ctypes.c_void_p(array.ctypes.data), ctypes.c_size_t(array.nbytes))
        self._check(self._library.cudaMemcpy(*words, TO_DEVICE), "copying to the device")
        return address

    def _allocate(self, name, size):
        if name in self._blocks:
            self._library.cudaFree(ctypes.c_void_p(self._blocks.pop(name)[0]))
        address = ctypes.c_void_p()
        status = self._library.cudaMalloc(ctypes.byref(address), ctypes.c_size_t(max(size, 1)))
        self._check(status, "{} bytes of device memory".format(size))
        self._blocks[name] = (address.value, size)
        return address.value

    def _check(self, status, what):
        if status:
            self._library.cudaGetErrorString.restype = ctypes.c_char_p
            text = self._library.cudaGetErrorString(status).decode("ascii", "replace")
            raise DeviceError("{}: CUDA says: {} ({})".format(what, text, status))


def _attribute(cudart, number):
    value = ctypes.c_int()
    if cudart is None or cudart.cudaDeviceGetAttribute(ctypes.byref(value), number, 0):
        return None
    return value.value


def _name(cudart):
    """The GPU's name, the first member of cudaDeviceProp in every version of CUDA."""
    if not hasattr(cudart, "cudaGetDeviceProperties"):
        return None
    properties = ctypes.create_string_buffer(PROPERTIES_BYTES)
    if cudart.cudaGetDeviceProperties(properties, 0):
        return None
    return properties.value.decode("utf-8", "replace") or None
