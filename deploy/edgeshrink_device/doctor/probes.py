"""What is tried in a process of its own, since it may end it or take much memory; and the asking.

A probe prints one JSON object as its last line.
"""

import json
import signal
import subprocess
import sys

from edgeshrink_device.errors import DeviceError
from edgeshrink_device.fresh import boot

__all__ = ["ask", "main"]

PATIENCE_S = 120  # the first import of TensorRT on a Nano reads hundreds of MB from an SD card


def ask(name):
    """Run a probe.

    Args:
        name: One of PROBES.

    Returns:
        Its JSON object; of a probe that failed, {"error": what is wrong, "hint": what to do, may be empty};
        with "ended": True where its process came to an end before that, and "signal", the name of what
        ended it.
    """
    try:
        done = subprocess.run(
            [sys.executable, "-c", boot("doctor.probes", name)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            timeout=PATIENCE_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return {"error": "no answer within {} s".format(PATIENCE_S), "hint": "", "ended": True}
    except OSError as error:
        return {"error": "{} cannot be started: {}".format(sys.executable, error.strerror), "hint": ""}
    if done.returncode < 0:
        ended_by = signal.Signals(-done.returncode).name
        told = "Python was ended by {}".format(ended_by)
        return {"error": told, "hint": "", "signal": ended_by, "ended": True}
    try:
        answer = json.loads(done.stdout.decode("utf-8", "replace").strip().split("\n")[-1])
        return dict(answer)
    except (ValueError, TypeError):
        said = done.stderr.decode("utf-8", "replace").strip().split("\n")[-1]
        told = said or "exit status {}".format(done.returncode)
        return {"error": told, "hint": "", "ended": True}


def main(name):
    """Run a probe in this process and print its answer."""
    try:
        answer = PROBES[name]()
    except DeviceError as error:
        answer = {"error": error.message, "hint": error.hint}
    except Exception as error:  # a broken installation raises whatever it likes
        first = str(error).strip().split("\n")[0]
        answer = {"error": "{}: {}".format(type(error).__name__, first), "hint": ""}
    sys.stdout.write("\n" + json.dumps(answer) + "\n")


def _numpy():
    import numpy

    numpy.dot(
        numpy.ones((8, 8), "float32"), numpy.ones((8, 8), "float32")
    )  # where OpenBLAS chooses its kernels
    return {"version": numpy.__version__}


def _onnxruntime():
    import onnxruntime

    return {"version": onnxruntime.__version__}


def _tensorrt():
    from edgeshrink_device.engines import trt

    module = trt.load()
    trt.make_builder(module)
    return {
        "version": module.__version__,
        "emulated": trt.emulated(module),
        "tensor_api": trt.features(module).tensor_api,
    }


def _cuda():
    import ctypes

    from edgeshrink_device.cuda import library
    from edgeshrink_device.engines import cudart

    found = library.load()
    driver = ctypes.c_int()
    told = found.status("cudaDriverGetVersion", ctypes.byref(driver)) == 0 and driver.value
    gpu = cudart.gpu()
    return {
        "runtime": found.version(),
        "driver": "{}.{}".format(told // 1000, told % 1000 // 10) if told else None,
        "gpu": gpu.name,
        "sm": gpu.sm,
        "emulated": found.emulated,
    }


def _pycuda():
    from edgeshrink_device.cuda import with_pycuda

    with_pycuda.load()
    import pycuda

    return {"emulated": bool(getattr(pycuda, "EMULATED", False))}


PROBES = {
    "numpy": _numpy,
    "onnxruntime": _onnxruntime,
    "tensorrt": _tensorrt,
    "cuda": _cuda,
    "pycuda": _pycuda,
}
