"""What building takes of CUDA's runtime library: which GPU this is, and memory to calibrate from.

Numbers of attributes: enum cudaDeviceAttr.
"""

import ctypes
import functools
import glob
import re
from collections import namedtuple

from edgeshrink_device import boards, sysroot
from edgeshrink_device.boards.known import CHIPS
from edgeshrink_device.cuda import library
from edgeshrink_device.errors import DeviceError

__all__ = ["DeviceMemory", "Gpu", "gpu"]

Gpu = namedtuple("Gpu", ["name", "key", "sm", "emulated"])
Gpu.__doc__ = """The GPU; None where not known. name: as CUDA calls it, with the Jetson's module or model, as
boards with one chip differ in what it has left; key: what engines are kept by, the same whether CUDA answers
or not where the board or the driver tells; sm: compute capability as text; emulated: a stand-in's."""

DRIVER = (
    "/proc/driver/nvidia/gpus/*/information"  # not on Jetsons (NVIDIA, driver README, "procfs interface")
)
MODEL = re.compile(r"^Model:\s*(.+?)\s*$", re.MULTILINE)
MULTIPROCESSORS, MAJOR, MINOR = 16, 75, 76
PROPERTIES_BYTES = 1 << 14  # cudaDeviceProp has grown to about 1 KB; its first 256 bytes are the name
TO_DEVICE = 1


def gpu():
    """The `Gpu` that engines are built for."""
    cudart, board = _library(), boards.detect()
    major, minor = (_attribute(cudart, number) for number in (MAJOR, MINOR))
    sm = board.sm if board else None
    if major is not None and minor is not None:
        sm = "{}.{}".format(major, minor)
    module = board and (board.module or board.model)
    told = _name(cudart)
    name = ", ".join(filter(None, [told or (board and board.chip), module]))
    key = ", ".join(filter(None, [_chip(board, sm) or told or _of_driver(), module or _size(cudart)]))
    return Gpu(name or None, key or None, sm, sysroot.emulated() or bool(cudart and cudart.emulated))


def _chip(board, sm):
    """A Jetson's chip, where that is what computes: no card beside it has a Jetson's compute capability."""
    chip = next((name for name, facts in CHIPS.items() if facts.sm == sm), None) if board else None
    return chip if board and board.chip in (None, chip) else None


def _size(cudart):
    """What tells a Nano from a TX1 where nothing says which module it is."""
    count = _attribute(cudart, MULTIPROCESSORS)
    return None if count is None else "{} SMs".format(count)


def _of_driver():
    """The models of all cards by the driver, where CUDA does not answer."""
    texts = [sysroot.read_text(path) or "" for path in glob.glob(sysroot.path(DRIVER))]
    return ", ".join(sorted({model for text in texts for model in MODEL.findall(text)}))


class DeviceMemory:
    """Memory on the device by name, all of it given back on leaving the `with` block.

    Raises:
        DeviceError: There is no runtime library that finds a GPU, or it refuses.
    """

    def __init__(self):
        self._library = library.load()
        self._blocks = {}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for address, _ in self._blocks.values():
            self._library.status("cudaFree", ctypes.c_void_p(address))
        self._blocks = {}

    def put(self, name, array):
        """Copy a contiguous numpy array there; the block of that name is used again where it is as large.

        Returns:
            The address, an int.
        """
        address, size = self._blocks.get(name, (None, 0))
        if address is None or size != array.nbytes:
            address = self._allocate(name, array.nbytes)
        words = (ctypes.c_void_p(address), ctypes.c_void_p(array.ctypes.data), ctypes.c_size_t(array.nbytes))
        self._library.call("cudaMemcpy", *words, TO_DEVICE)
        return address

    def _allocate(self, name, size):
        if name in self._blocks:
            self._library.status("cudaFree", ctypes.c_void_p(self._blocks.pop(name)[0]))
        address = ctypes.c_void_p()
        self._library.call("cudaMalloc", ctypes.byref(address), ctypes.c_size_t(max(size, 1)))
        self._blocks[name] = (address.value, size)
        return address.value


@functools.lru_cache(maxsize=1)
def _library():
    """The runtime library that finds a GPU, or None."""
    try:
        return library.load()
    except DeviceError:
        return None


def _attribute(cudart, number):
    value = ctypes.c_int()
    if cudart is None or cudart.status("cudaDeviceGetAttribute", ctypes.byref(value), number, 0):
        return None
    return value.value


def _name(cudart):
    """The GPU's name, the first member of cudaDeviceProp in every version of CUDA."""
    properties = ctypes.create_string_buffer(PROPERTIES_BYTES)
    try:
        status = -1 if cudart is None else cudart.status("cudaGetDeviceProperties", properties, 0)
    except AttributeError:
        return None
    return None if status else properties.value.decode("utf-8", "replace") or None
