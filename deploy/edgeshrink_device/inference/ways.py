"""What builds engines here and what runs them: `build`, `profile` and `doctor` all go by `choose`.

TensorRT's Python module builds and, with PyCUDA or libcudart for streams and events, runs. trtexec stands in
for whatever is missing: it builds and runs where there is no module, and runs what the module built where
CUDA cannot be called.
"""

from collections import namedtuple

from edgeshrink_device.errors import DeviceError

__all__ = ["CHECKED", "Parts", "Way", "choose", "look", "require"]

CHECKED = 4  # samples: trtexec loads the engine anew for each

Parts = namedtuple("Parts", ["bindings", "trtexec", "no_cuda"])
Parts.__doc__ = """What is there. bindings: version of TensorRT's Python module, or None; trtexec: its own, or
None; no_cuda: None where PyCUDA or libcudart finds a GPU, else why neither does."""

Way = namedtuple("Way", ["built_with", "run_with", "why"])
Way.__doc__ = """What works. built_with, run_with: "python" (TensorRT's module) or "trtexec", None where
nothing does; why: what is missing, and what is lost by it; None where nothing is."""

NO_MODULE = "TensorRT has no Python module here"
LOST = "{}: trtexec runs the engine, so that no energy is measured and at most {} samples are checked"
SPOKEN = 3  # numbers of its version that trtexec tells


def choose(parts):
    """The `Way` of these `Parts`; those of the module come first: with it, energy can be measured."""
    bindings, program, no_cuda = parts
    if bindings and no_cuda is None:
        return Way("python", "python", None)
    if bindings and program and _numbers(bindings) == _numbers(program):
        return Way("python", "trtexec", LOST.format(no_cuda, CHECKED))
    if bindings:
        other = "trtexec is of TensorRT {}, the module of {}".format(program, bindings)
        return Way("python", None, "{}, and {}".format(no_cuda, other if program else "there is no trtexec"))
    if program:
        return Way("trtexec", "trtexec", LOST.format(NO_MODULE, CHECKED))
    return Way(None, None, "there is neither TensorRT's Python module nor trtexec")


def look():
    """The `Parts` of this machine, and what to do about missing CUDA, empty where nothing is.

    Asks trtexec only where it is needed. TensorRT is imported: call this in a process of its own.
    """
    from edgeshrink_device import cuda
    from edgeshrink_device.engines import trt, trtexec

    module = trt.load() if trt.is_there() else None
    no_cuda, hint = cuda.missing()
    if module is not None and no_cuda is None:
        return Parts(module.__version__, None, None), ""
    try:
        program = trtexec.find()
    except DeviceError:
        program = None
    return Parts(module and module.__version__, program and program.version, no_cuda), hint


def require():
    """The `Way` of this machine, where anything builds engines at all.

    Raises:
        DeviceError: What is built could not be run.
    """
    parts, hint = look()
    way = choose(parts)
    if way.built_with and not way.run_with:
        raise DeviceError(way.why, hint)
    return way


def _numbers(version):
    return version.split(".")[:SPOKEN]
