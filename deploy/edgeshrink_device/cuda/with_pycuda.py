"""A stream through PyCUDA, where it is installed."""

import functools

from edgeshrink_device.cuda import Stream, no_room
from edgeshrink_device.errors import DeviceError

__all__ = ["PycudaStream", "is_there", "load"]


def load():
    """The module pycuda.driver, ready to be called.

    Raises:
        DeviceError: It cannot be imported (one built for another CUDA cannot), or finds no GPU.
    """
    try:
        import pycuda.driver as driver
    except Exception as error:  # what a broken installation raises is anyone's guess
        first = str(error).strip().split("\n")[0]
        raise DeviceError("cannot be imported ({})".format(first or type(error).__name__)) from error
    try:
        driver.init()
        found = driver.Device.count()
    except driver.Error as error:
        raise DeviceError("finds no GPU ({})".format(error)) from error
    if not found:
        raise DeviceError("finds no GPU")
    return driver


def is_there():
    """Whether PyCUDA works here; one that does not is passed."""
    try:
        load()
    except DeviceError:
        return False
    return True


def _told(method):
    """What PyCUDA raises, as a DeviceError; PyCUDA's message names the call and CUDA's text."""

    @functools.wraps(method)
    def told(self, *words):
        try:
            return method(self, *words)
        except self._driver.Error as error:
            raise DeviceError("CUDA: {}".format(error)) from error

    return told


class PycudaStream(Stream):
    """A stream of PyCUDA in the GPU's primary context, which TensorRT uses, too.

    Raises:
        DeviceError: There is no GPU, or CUDA makes no context.
    """

    def __init__(self):
        import pycuda
        import pycuda.driver

        self._driver, self._version = pycuda.driver, getattr(pycuda, "VERSION_TEXT", None)
        self.through = "PyCUDA {}".format(self._version)
        self.emulated = bool(getattr(pycuda, "EMULATED", False) or getattr(self._driver, "EMULATED", False))
        self._held, self._context = [], None
        try:
            self._open()
        except DeviceError:
            self.close()  # the context is on this thread's stack
            raise

    @_told
    def _open(self):
        self._driver.init()
        device = self._driver.Device(0)
        if hasattr(device, "retain_primary_context"):
            self._context = device.retain_primary_context()
            self._context.push()
        else:
            self._context = device.make_context()
        self._stream = self._driver.Stream()
        self._events = [self._driver.Event() for _ in range(2)]
        self.handle = self._stream.handle

    def versions(self):
        """{"cuda": ..., "pycuda": ...}."""
        return {
            "cuda": ".".join(map(str, self._driver.get_version()[:2])),
            "pycuda": self._version,
        }

    def memory(self):
        """Through mem_get_info."""
        try:
            free, total = self._driver.mem_get_info()
        except self._driver.Error:
            return None, None
        return int(free), int(total)

    def device_bytes(self, size, what):
        """Through mem_alloc."""
        return int(self._allocated(max(1, size), what, lambda: self._driver.mem_alloc(max(1, size))))

    def host_array(self, shape, dtype, what):
        """Through pagelocked_empty."""
        import numpy as np

        count = 1
        for dimension in shape:
            count *= dimension
        size, what = count * np.dtype(dtype).itemsize, what + ", pinned on the host"
        flat = self._allocated(size, what, lambda: self._driver.pagelocked_empty(max(1, count), dtype))
        return flat[:count].reshape(shape)

    @_told
    def copy_in(self, address, array):
        """Through memcpy_htod_async."""
        self._driver.memcpy_htod_async(address, array, self._stream)

    @_told
    def copy_out(self, array, address):
        """Through memcpy_dtoh_async."""
        self._driver.memcpy_dtoh_async(array, address, self._stream)

    @_told
    def mark(self, which):
        """Through Event.record."""
        self._events[which].record(self._stream)

    @_told
    def elapsed_ms(self):
        """Through Event.time_till."""
        return self._events[0].time_till(self._events[1])

    @_told
    def synchronize(self):
        """Through Stream.synchronize."""
        self._stream.synchronize()

    def close(self):
        """Memory goes back with PyCUDA's objects, while the context still stands."""
        self._held, self._events, self._stream = [], [], None
        if self._context is not None:
            self._context.pop()
            self._context.detach()
            self._context = None

    def _allocated(self, size, what, allocate):
        try:
            held = allocate()
        except self._driver.MemoryError as error:
            raise no_room(size, what, *self.memory()) from error
        except self._driver.Error as error:
            raise DeviceError("CUDA: {} bytes ({}): {}".format(size, what, error)) from error
        self._held.append(held)
        return held
