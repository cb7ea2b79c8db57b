"""What builds and runs engines: TensorRT, trtexec and CUDA."""

import os
import re

from edgeshrink_device import sysroot
from edgeshrink_device.doctor.check import MISSING, OK, UNNEEDED, WARNING
from edgeshrink_device.doctor.probes import ask
from edgeshrink_device.doctor.software import installed
from edgeshrink_device.doctor.system import container_mend
from edgeshrink_device.engines import trt
from edgeshrink_device.engines import trtexec as program
from edgeshrink_device.errors import DeviceError

__all__ = ["cuda_runtime", "optional", "tensorrt", "trtexec"]

NOT_FOUND = re.compile(r"(\S+\.so[\d.]*): cannot open shared object file")
NO_GPU = "CUDA finds no GPU"
GROUP = "sudo usermod -aG video $USER"


def tensorrt(context):
    """Its Python module, and whether it reaches the GPU."""
    if not installed("tensorrt"):
        return _without(context)
    answer = ask("tensorrt")
    if "error" in answer:
        return _broken(context, answer)
    context.found(bindings=answer["version"])
    context.can["gpu"] = True  # it has made a Builder, which takes a GPU
    context.emulated = context.emulated or answer["emulated"]
    api = "tensors by name" if answer["tensor_api"] else "bindings by number"
    return OK, "{}, {}".format(answer["version"], api), ""


def _without(context):
    try:
        trt.load()
    except DeviceError as error:
        message, hint = error.message, error.hint
    else:
        message, hint = "cannot be imported", ""
    if _program(context)[0] is not None:
        return WARNING, "{}; trtexec takes its place, without calibration".format(message), hint
    if context.board is None:
        return UNNEEDED, "not installed; engines are built on the Jetson", ""
    return MISSING, message, container_mend(context) or hint


def _broken(context, answer):
    """It is installed and fails: a library that is missing is named."""
    told = answer["error"]
    missing = NOT_FOUND.search(told)
    if missing:
        found = "installed, but {} is missing, which it is linked to".format(missing.group(1))
        mend = container_mend(context) or "sudo apt-get install --reinstall tensorrt; sudo ldconfig"
        return MISSING, found, mend
    if "cannot use the GPU" in told:
        context.can["gpu"] = False
    if "ended" in answer:
        context.can["build"] = False  # whoever imports it ends, too
    return MISSING, told, answer["hint"] or container_mend(context)


def trtexec(context):
    """The program, which builds and times where there is no Python module."""
    found, error = _program(context)
    unneeded = context.parts.bindings or context.board is None
    if error is not None:
        return UNNEEDED if unneeded else MISSING, error.message, error.hint
    if found is None:
        mend = "" if unneeded else container_mend(context) or "sudo apt-get install libnvinfer-bin"
        place = os.path.dirname(program.PLACE)
        return UNNEEDED if unneeded else MISSING, "not found in {} or PATH".format(place), mend
    return OK, "{} ({})".format(found.version, found.path), ""


def _program(context):
    """trtexec, or None, and why it does not run, or None."""
    try:
        found = program.find()
    except DeviceError as error:
        return None, error
    context.found(trtexec=found and found.version)
    return found, None


def cuda_runtime(context):
    """libcudart, which engines are run through without PyCUDA, and whether the driver answers it."""
    answer = ask("cuda")
    if "error" in answer:
        return _without_cuda(context, answer)
    context.found(no_cuda=None)
    context.can["gpu"] = True
    context.emulated = context.emulated or answer["emulated"]
    name = ", ".join(filter(None, [answer["gpu"], answer["sm"] and "SM " + answer["sm"]]))
    return OK, "{}, driver {}; {}".format(answer["runtime"], answer["driver"] or "not known", name), ""


def _without_cuda(context, answer):
    told = answer["error"]
    if installed("pycuda") and "error" not in ask("pycuda"):
        context.found(no_cuda=None)
        return OK, "through PyCUDA; without libcudart no CUDA graphs are run", ""
    context.found(no_cuda=told)
    if NO_GPU in told and not context.parts.bindings:
        context.can["gpu"] = False
    if context.board is None:
        return UNNEEDED, told, ""
    mend = container_mend(context)
    if not mend and NO_GPU in told:
        told += "; who is not in the group video must join it and log in again"
        return MISSING if not context.way().run_with else WARNING, told, GROUP
    return (
        MISSING if not context.way().run_with else WARNING,
        told,
        mend or answer["hint"] or "sudo apt-get install nvidia-jetpack",
    )


def optional(context):
    """What is used where it is installed, and never needed."""
    there = installed("psutil")
    told = ["psutil for memory on other systems than Linux" if there else "no psutil", _pycuda(context)]
    if installed("jtop"):
        runs = os.path.exists(sysroot.path("/run/jtop.sock"))
        told.append("jtop, its service {}".format("runs" if runs else "does not run"))
    else:
        told.append("no jtop")
    return UNNEEDED, "; ".join(told), ""


def _pycuda(context):
    if not installed("pycuda"):
        return "no pycuda"
    answer = ask("pycuda")
    if "error" in answer:
        return "pycuda, which {} and is passed".format(answer["error"])
    context.emulated = context.emulated or answer["emulated"]
    return "pycuda for streams and events"
