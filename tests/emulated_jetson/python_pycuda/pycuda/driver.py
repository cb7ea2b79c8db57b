"""pycuda.driver on host memory: streams do their work at once, events are a clock.

As with the real one nothing but `init` works without a context, a context is of the thread that made it, an
allocation is freed when its object goes, and device memory has no buffer that Python could look into.
EMULATED_OUT_OF_MEMORY=n lets the n-th allocation (from 1 on) fail; EMULATED_FREE_BYTES is what mem_get_info
calls free; EMULATED_STREAM_FAILS=1 lets no stream be made.
"""

import ctypes
import itertools
import os
import threading
import time

EMULATED = True


class Error(Exception):
    """What CUDA refuses."""


class LogicError(Error):
    """A call that is wrong."""


class RuntimeError(Error):  # noqa: A001 - PyCUDA's name
    """A call that failed."""


class MemoryError(Error):  # noqa: A001 - PyCUDA's name
    """No memory left."""


class LaunchError(Error):
    """A kernel that failed."""


ALLOCATIONS = {}  # address: size
TOTAL = 4156030976  # bytes that a Jetson Nano of 4 GB shows
_contexts = threading.local()
_counter = itertools.count(1)
_handles = itertools.count(0x1000, 16)
_initialized = []


class ctx_flags:  # noqa: N801 - PyCUDA's name
    """Flags of contexts."""

    SCHED_AUTO, SCHED_SPIN, SCHED_YIELD, SCHED_BLOCKING_SYNC, MAP_HOST = 0, 1, 2, 4, 8


class event_flags:  # noqa: N801 - PyCUDA's name
    """Flags of events."""

    DEFAULT, BLOCKING_SYNC, DISABLE_TIMING = 0, 1, 2


class device_attribute:  # noqa: N801 - PyCUDA's name
    """Attributes of devices."""

    CLOCK_RATE, MULTIPROCESSOR_COUNT, INTEGRATED = "CLOCK_RATE", "MULTIPROCESSOR_COUNT", "INTEGRATED"


def init(flags=0):
    _initialized.append(True)


def get_version():
    return (10, 2, 0)


def get_driver_version():
    return 10020


def _stack():
    if not hasattr(_contexts, "stack"):
        _contexts.stack = []
    return _contexts.stack


def _need_context():
    if not _initialized:
        raise LogicError("cuInit failed: initialization error")
    if not _stack():
        raise LogicError("cuCtxGetDevice failed: invalid device context")


class Device:
    """The one GPU."""

    def __init__(self, number):
        if not _initialized:
            raise LogicError("cuDeviceGet failed: initialization error")
        if number:
            raise LogicError("cuDeviceGet failed: invalid device ordinal")

    @staticmethod
    def count():
        if not _initialized:
            raise LogicError("cuDeviceGetCount failed: initialization error")
        return 1

    def name(self):
        return os.environ.get("EMULATED_GPU") or "NVIDIA Tegra X1"

    def compute_capability(self):
        return tuple(int(each) for each in (os.environ.get("EMULATED_GPU_SM") or "5.3").split("."))

    def total_memory(self):
        return TOTAL

    def get_attributes(self):
        return {}

    def get_attribute(self, attribute):
        return {"CLOCK_RATE": 921600, "MULTIPROCESSOR_COUNT": 1, "INTEGRATED": 1}[attribute]

    def make_context(self, flags=0):
        context = Context(self)
        context.push()
        return context

    def retain_primary_context(self):
        return Context(self)


class Context:
    """A context; the uppermost of a thread's stack is current."""

    def __init__(self, device):
        self._device = device

    def push(self):
        _stack().append(self)

    @staticmethod
    def pop():
        if not _stack():
            raise LogicError("context::pop failed: invalid device context - cannot pop non-current context")
        _stack().pop()

    def detach(self):
        if self in _stack():
            _stack().remove(self)

    @staticmethod
    def get_current():
        return _stack()[-1] if _stack() else None

    @staticmethod
    def get_device():
        _need_context()
        return _stack()[-1]._device

    @staticmethod
    def synchronize():
        _need_context()


class DeviceAllocation:
    """Device memory: `int` gives its address, and it is freed with the object."""

    def __init__(self, size):
        self._size = size
        self._memory = ctypes.create_string_buffer(size + 256)
        self._address = -(-ctypes.addressof(self._memory) // 256) * 256
        ALLOCATIONS[self._address] = size

    def __int__(self):
        return self._address

    def free(self):
        if self._memory is None:
            raise LogicError("device_allocation::free failed: invalid resource handle")
        ALLOCATIONS.pop(self._address, None)
        self._memory = None

    def __del__(self):
        if getattr(self, "_memory", None) is not None:
            self.free()


def covers(address, size):
    """Whether the bytes lie in one allocation that is not freed."""
    return any(start <= address and address + size <= start + ALLOCATIONS[start] for start in ALLOCATIONS)


def mem_alloc(bytes):  # noqa: A002 - PyCUDA's name
    _need_context()
    if bytes <= 0:
        raise LogicError("cuMemAlloc failed: invalid argument")
    if next(_counter) == int(os.environ.get("EMULATED_OUT_OF_MEMORY") or 0):
        raise MemoryError("cuMemAlloc failed: out of memory")
    return DeviceAllocation(bytes)


def mem_get_info():
    """(free, total) bytes."""
    _need_context()
    free = int(os.environ.get("EMULATED_FREE_BYTES") or TOTAL // 2)
    return free - sum(ALLOCATIONS.values()), TOTAL


def pagelocked_empty(shape, dtype, order="C", mem_flags=0):
    import numpy as np

    _need_context()
    return np.empty(shape, dtype, order=order)


def pagelocked_zeros(shape, dtype, order="C", mem_flags=0):
    array = pagelocked_empty(shape, dtype, order, mem_flags)
    array.fill(0)
    return array


def _copy(to, source, size, what):
    _need_context()
    for address in (to, source):
        if address is not None and not covers(int(address[0]), size):
            raise LogicError(what + " failed: invalid argument")


def memcpy_htod(dest, src):
    """Copy a contiguous host array to the device."""
    data = memoryview(src).cast("B") if memoryview(src).contiguous else None
    if data is None:
        raise ValueError("ndarray is not contiguous")
    _copy((dest,), None, data.nbytes, "cuMemcpyHtoD")
    ctypes.memmove(int(dest), bytes(data), data.nbytes)


def memcpy_dtoh(dest, src):
    """Copy from the device into a contiguous host array that can be written."""
    view = memoryview(dest)
    if view.readonly or not view.contiguous:
        raise ValueError("ndarray is not contiguous, or is read-only")
    _copy(None, (src,), view.nbytes, "cuMemcpyDtoH")
    view.cast("B")[:] = ctypes.string_at(int(src), view.nbytes)


def memcpy_htod_async(dest, src, stream=None):
    memcpy_htod(dest, src)


def memcpy_dtoh_async(dest, src, stream=None):
    memcpy_dtoh(dest, src)


def memcpy_dtod(dest, src, size):
    _copy((dest,), (src,), size, "cuMemcpyDtoD")
    ctypes.memmove(int(dest), int(src), size)


def memset_d8(dest, data, count):
    _copy((dest,), None, count, "cuMemsetD8")
    ctypes.memset(int(dest), data, count)


class Stream:
    """A stream, which is done whenever it is asked."""

    def __init__(self, flags=0):
        _need_context()
        if os.environ.get("EMULATED_STREAM_FAILS"):
            raise RuntimeError("cuStreamCreate failed: out of memory")
        self.handle = next(_handles)

    def synchronize(self):
        _need_context()

    def is_done(self):
        return True

    def wait_for_event(self, event):
        _need_context()


class Event:
    """A time on the clock."""

    def __init__(self, flags=0):
        _need_context()
        self._flags, self._time = flags, None

    def record(self, stream=None):
        self._time = time.perf_counter()
        return self

    def synchronize(self):
        return self

    def query(self):
        return True

    def time_till(self, event):
        """Milliseconds from this event to the other."""
        for each in (self, event):
            if each._time is None or each._flags & event_flags.DISABLE_TIMING:
                raise LogicError("cuEventElapsedTime failed: invalid resource handle")
        return 1000 * (event._time - self._time)

    def time_since(self, event):
        """Milliseconds from the other event to this."""
        return event.time_till(self)
