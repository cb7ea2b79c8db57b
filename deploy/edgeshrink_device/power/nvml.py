"""`nvml`: the energy counter of an NVIDIA GPU (Volta and later), for machines other than Jetsons.

NVML is called through ctypes, so no package is needed: nvmlDeviceGetTotalEnergyConsumption gives millijoules
since the driver was loaded (NVML reference, "Device queries"). How often it moves is not documented, so it is
not read at the ends of short blocks: mean power between readings half a second apart is what is sampled. It
covers the GPU's board alone and is never taken by itself: `--power nvml` asks for it. Jetsons have no power
readings in NVML.
"""

import ctypes
import time

from edgeshrink_device import sysroot
from edgeshrink_device.errors import DeviceError
from edgeshrink_device.power import SOURCES, SampledSource

__all__ = ["Nvml"]

LIBRARY = "libnvidia-ml.so.1"
NOT_SUPPORTED = 3  # NVML_ERROR_NOT_SUPPORTED


@SOURCES.register("nvml")
class Nvml(SampledSource):
    """The counter of the only GPU.

    With several it is not used: "the NVML index may not correlate with other APIs, such as the CUDA device
    index" (NVML reference, nvmlDeviceGetHandleByIndex_v2), so that the energy of another could be told.
    """

    priority = 5
    automatic = False
    covers = "the GPU's board alone; processor and memory of the machine are not included"
    interval_s = 0.5
    window_s = 0.5

    def __init__(self):
        self._library, self._device = None, ctypes.c_void_p()
        self.rails = ()

    def unavailable(self):
        """Why the counter cannot be read; empty when it can."""
        if sysroot.emulated():
            return "a stand-in has no NVML"
        try:
            self._open()
            self._millijoules()
        except DeviceError as error:
            return error.message
        return ""

    def start(self):
        """Open NVML and read the counter for the first time."""
        self._open()
        self._last = (time.perf_counter(), self._millijoules())

    def read(self):
        """Mean power since the last reading, watts; None when the counter did not move.

        Raises:
            DeviceError: NVML no longer answers.
        """
        (then, before), now = self._last, (time.perf_counter(), self._millijoules())
        if now[1] <= before:
            return None
        self._last = now
        return (now[1] - before) / 1000.0 / (now[0] - then)

    def stop(self):
        """Let go of NVML."""
        if self._library is not None:
            self._library.nvmlShutdown()
            self._library = None

    def _open(self):
        if self._library is not None:
            return
        try:
            library = ctypes.CDLL(LIBRARY)
        except OSError as error:
            raise DeviceError("{} cannot be loaded".format(LIBRARY)) from error
        _check(library.nvmlInit_v2(), "start")
        try:
            self._find_gpu(library)
        except DeviceError:
            library.nvmlShutdown()
            raise
        self._library = library

    def _find_gpu(self, library):
        count, name = ctypes.c_uint(), ctypes.create_string_buffer(96)
        _check(library.nvmlDeviceGetCount_v2(ctypes.byref(count)), "count the GPUs")
        if count.value > 1:
            raise DeviceError("which of {} GPUs the counter is of is not known".format(count.value))
        _check(library.nvmlDeviceGetHandleByIndex_v2(0, ctypes.byref(self._device)), "find a GPU")
        _check(library.nvmlDeviceGetName(self._device, name, len(name)), "name the GPU")
        self.rails = (name.value.decode("utf-8", "replace"),)

    def _millijoules(self):
        value = ctypes.c_ulonglong()
        code = self._library.nvmlDeviceGetTotalEnergyConsumption(self._device, ctypes.byref(value))
        if code == NOT_SUPPORTED:
            raise DeviceError("this GPU has no energy counter")
        _check(code, "read the energy counter")
        return value.value


def _check(code, what):
    if code != 0:
        raise DeviceError("NVML cannot {} (error {})".format(what, code))
