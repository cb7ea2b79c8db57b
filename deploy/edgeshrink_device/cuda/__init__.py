"""The little of CUDA that running an engine takes: one stream, two events, pinned and device memory.

Through PyCUDA where it is installed, else through ctypes on the board's libcudart: building PyCUDA takes a
Nano many minutes. CUDA graphs are captured through libcudart alone. Every status is checked; importing these
modules loads neither numpy nor CUDA.
"""

from edgeshrink_device.errors import DeviceError

__all__ = ["Stream", "missing", "no_room", "open_stream"]


class Stream:
    """A stream with a pair of events, and the memory that was asked for through it.

    Work is put on the stream in order and done when `synchronize` returns. `close` gives everything back; a
    `with` block calls it.

    Attributes:
        through: What calls CUDA, in words.
        emulated: Whether that is a stand-in.
        handle: The cudaStream_t as an int.
    """

    through = ""
    emulated = False
    handle = 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def versions(self):
        """What the profile tells: {"cuda": "10.2"} and more."""
        raise NotImplementedError

    def memory(self):
        """(free, total) bytes of the device's memory; (None, None) where CUDA does not tell any more."""
        raise NotImplementedError

    def device_bytes(self, size, what):
        """Device memory.

        Args:
            size: Bytes; of 0 one is taken.
            what: What it is for, for messages.

        Returns:
            Its address, an int.

        Raises:
            DeviceError: There is no room; the message says what was asked for and what is free.
        """
        raise NotImplementedError

    def host_array(self, shape, dtype, what):
        """A contiguous array in pinned host memory, valid until `close`; raises as `device_bytes`."""
        raise NotImplementedError

    def copy_in(self, address, array):
        """Put a copy from a pinned array to the device on the stream."""
        raise NotImplementedError

    def copy_out(self, array, address):
        """Put a copy from the device into a pinned array on the stream."""
        raise NotImplementedError

    def mark(self, which):
        """Put event 0 or event 1 on the stream."""
        raise NotImplementedError

    def elapsed_ms(self):
        """Milliseconds from event 0 to event 1, both done."""
        raise NotImplementedError

    def synchronize(self):
        """Wait until all work on the stream is done."""
        raise NotImplementedError

    def capture(self, enqueue):
        """Capture the work that `enqueue()` puts on the stream as a graph.

        Returns:
            A function without arguments that puts the graph on the stream.

        Raises:
            DeviceError: It cannot be captured; the stream is as it was.
        """
        raise DeviceError("{} captures no graphs".format(self.through))

    def close(self):
        """Give all memory, the events and the stream back; doing it twice is no fault."""
        raise NotImplementedError


def open_stream(graphs=False):
    """A `Stream` on the first GPU.

    Args:
        graphs: Whether graphs will be captured: then libcudart is taken before PyCUDA, where it is there.

    Raises:
        DeviceError: There is neither PyCUDA nor a libcudart that works, or no GPU.
    """
    from edgeshrink_device.cuda import library, runtime, with_pycuda

    found = with_pycuda.is_there()
    if found and not (graphs and library.is_there()):
        return with_pycuda.PycudaStream()
    return runtime.RuntimeStream(library.load())


def missing():
    """Why no stream can be opened, and what to do about it; (None, "") where one can."""
    from edgeshrink_device.cuda import library, with_pycuda

    if with_pycuda.is_there():
        return None, ""
    try:
        library.load()
    except DeviceError as error:
        return error.message, error.hint
    return None, ""


def no_room(size, what, free, total):
    """The error for memory that is not to be had."""
    left = "{} of {} are free".format(_bytes(free), _bytes(total)) if free is not None else "none is left"
    return DeviceError(
        "out of memory on the device: {} were asked for ({}), {}".format(_bytes(size), what, left),
        "Close what else runs, the desktop too: sudo systemctl isolate multi-user.target",
    )


def _bytes(size):
    return "{} bytes".format(size) if size < 1 << 20 else "{:.1f} MiB".format(size / (1 << 20))
