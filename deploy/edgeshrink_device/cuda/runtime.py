"""A stream through ctypes on libcudart."""

import ctypes

from edgeshrink_device.cuda import Stream, no_room
from edgeshrink_device.errors import DeviceError

__all__ = ["RuntimeStream"]

OUT_OF_MEMORY = 2
TO_DEVICE, TO_HOST = 1, 2
THREAD_LOCAL = 1  # of capturing: what this thread must not call then is refused; others may


class RuntimeStream(Stream):
    """A stream of CUDA's runtime library.

    Args:
        cudart: A `library.Cudart`.

    Raises:
        DeviceError: CUDA makes no stream or event.
    """

    def __init__(self, cudart):
        self.through = "ctypes on {}".format(cudart.path)
        self.emulated = cudart.emulated
        self._cudart, self._undo, self._failed = cudart, [], False
        try:
            self._stream = self._made("cudaStreamCreate", "cudaStreamDestroy")
            self._events = [self._made("cudaEventCreate", "cudaEventDestroy") for _ in range(2)]
        except DeviceError:
            self.close()
            raise
        self.handle = self._stream.value or 0

    def versions(self):
        """{"cuda": the runtime library's version}."""
        return {"cuda": self._cudart.version()}

    def memory(self):
        """Through cudaMemGetInfo."""
        free, total = ctypes.c_size_t(), ctypes.c_size_t()
        if self._cudart.status("cudaMemGetInfo", ctypes.byref(free), ctypes.byref(total)):
            return None, None
        return free.value, total.value

    def device_bytes(self, size, what):
        """Through cudaMalloc."""
        return self._allocated("cudaMalloc", "cudaFree", size, what)

    def host_array(self, shape, dtype, what):
        """Through cudaHostAlloc."""
        import numpy as np

        dtype, count = np.dtype(dtype), 1
        for dimension in shape:
            count *= dimension
        size = max(1, count * dtype.itemsize)
        address = self._allocated("cudaHostAlloc", "cudaFreeHost", size, what + ", pinned on the host", 0)
        memory = (ctypes.c_char * size).from_address(address)
        return np.frombuffer(memory, dtype=dtype, count=count).reshape(shape)

    def copy_in(self, address, array):
        """Through cudaMemcpyAsync."""
        self._call("cudaMemcpyAsync", address, array.ctypes.data, array.nbytes, TO_DEVICE, self._stream)

    def copy_out(self, array, address):
        """Through cudaMemcpyAsync."""
        self._call("cudaMemcpyAsync", array.ctypes.data, address, array.nbytes, TO_HOST, self._stream)

    def mark(self, which):
        """Through cudaEventRecord."""
        self._call("cudaEventRecord", self._events[which], self._stream)

    def elapsed_ms(self):
        """Through cudaEventElapsedTime; CUDA resolves about half a microsecond."""
        milliseconds = ctypes.c_float()
        self._call("cudaEventElapsedTime", ctypes.byref(milliseconds), *self._events)
        return milliseconds.value

    def synchronize(self):
        """Through cudaStreamSynchronize."""
        self._call("cudaStreamSynchronize", self._stream)

    def capture(self, enqueue):
        """Captured for this thread alone, so that others may go on calling CUDA."""
        if not self._cudart.has_graphs:
            raise DeviceError("this libcudart knows no graphs")
        self._cudart.call("cudaStreamBeginCapture", self._stream, THREAD_LOCAL)
        graph = ctypes.c_void_p()
        try:
            enqueue()
        finally:
            status = self._cudart.status("cudaStreamEndCapture", self._stream, ctypes.byref(graph))
            self._cudart.status("cudaGetLastError")  # so that what capturing refused is not told later
        if status:
            raise DeviceError("CUDA: cudaStreamEndCapture: {}".format(self._cudart.text(status)))
        self._undo.append(("cudaGraphDestroy", graph))
        made = self._cudart.made("cudaGraphInstantiate", graph, None, None, 0)
        self._undo.append(("cudaGraphExecDestroy", made))
        return lambda: self._call("cudaGraphLaunch", made, self._stream)

    def close(self):
        """Whatever was made goes, the last first.

        Raises:
            DeviceError: CUDA refuses to take something back, and had refused nothing before.
        """
        failed = None
        while self._undo:
            name, handle = self._undo.pop()
            status = self._cudart.status(name, handle)
            failed = failed or (status and (name, status))
        if failed and not self._failed:
            raise DeviceError("CUDA: {}: {}".format(failed[0], self._cudart.text(failed[1])))

    def _call(self, name, *words):
        try:
            self._cudart.call(name, *words)
        except DeviceError:
            self._failed = True  # what fails after it says nothing new
            raise

    def _made(self, create, destroy):
        handle = self._cudart.made(create)
        self._undo.append((destroy, handle))
        return handle

    def _allocated(self, allocate, release, size, what, *words):
        address, size = ctypes.c_void_p(), max(1, size)
        status = self._cudart.status(allocate, ctypes.byref(address), size, *words)
        if status:
            self._failed = True
            if status == OUT_OF_MEMORY:
                raise no_room(size, what, *self.memory())
            text = self._cudart.text(status)
            raise DeviceError("CUDA: {} of {} bytes ({}): {}".format(allocate, size, what, text))
        self._undo.append((release, address))
        return address.value
