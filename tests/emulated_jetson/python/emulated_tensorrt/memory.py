"""Device memory as the stand-ins of pycuda and libcudart hand it out, seen as arrays."""

import ctypes
import functools
import os
import sys

LAUNCH = ctypes.CFUNCTYPE(None, ctypes.c_void_p)


def libcudart():
    """The stand-in of libcudart that EMULATED_LIBCUDART names, or None."""
    path = os.environ.get("EMULATED_LIBCUDART")
    return load_libcudart(path) if path else None


@functools.lru_cache(maxsize=1)
def load_libcudart(path):
    library = ctypes.CDLL(path)
    library.edgeshrink_emulated_covers.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
    library.edgeshrink_emulated_launch.argtypes = [ctypes.c_void_p, LAUNCH]
    return library


def pycuda():
    driver = sys.modules.get("pycuda.driver")
    return driver if getattr(driver, "EMULATED", False) else None


def is_device(address, size):
    """Whether all of it lies in one allocation; where neither stand-in is there, it is believed."""
    if pycuda() and pycuda().covers(address, size):
        return True
    if libcudart():
        return bool(libcudart().edgeshrink_emulated_covers(address, size))
    return pycuda() is None


def view(address, dtype, shape):
    """The array at an address: it is that memory, no copy."""
    import numpy as np

    count = 1
    for dimension in shape:
        count *= dimension
    size = count * np.dtype(dtype).itemsize
    if size == 0:
        return np.empty(shape, dtype)
    return np.frombuffer((ctypes.c_char * size).from_address(address), dtype).reshape(shape)


def launch(stream, work):
    """Do `work()` on a stream: now, or when the graph that the stream is capturing is launched."""
    library = None if pycuda() else libcudart()  # the handles of PyCUDA's stand-in are mere numbers
    if library is None or not stream or not library.edgeshrink_emulated_is_capturing(ctypes.c_void_p(stream)):
        return work()
    callback = LAUNCH(lambda _: work())
    KEPT.append(callback)  # a graph may be launched for as long as the process lives
    return library.edgeshrink_emulated_launch(stream, callback) == 0


KEPT = []
