"""Is this machine ready: what is there, what is missing, and the command that mends it.

`examine` looks at everything and changes nothing. What may end a process (numpy on a processor it was not
built for, a TensorRT whose libraries do not fit) is tried in processes of its own.
"""

from edgeshrink_device.doctor.check import Check, Context
from edgeshrink_device.doctor.gpu import cuda_runtime, optional, tensorrt, trtexec
from edgeshrink_device.doctor.software import numpy, onnxruntime, python
from edgeshrink_device.doctor.system import (
    board,
    clocks,
    container,
    disk,
    memory,
    power_mode,
    power_source,
    swap,
    tegrastats,
)

__all__ = ["Check", "examine"]

CHECKS = (
    ("board", board),
    ("container", container),
    ("Python", python),
    ("numpy", numpy),
    ("TensorRT", tensorrt),
    ("trtexec", trtexec),
    ("CUDA", cuda_runtime),
    ("ONNX Runtime", onnxruntime),
    ("power meter", power_source),
    ("tegrastats", tegrastats),
    ("power mode", power_mode),
    ("clocks", clocks),
    ("memory", memory),
    ("swap", swap),
    ("disk", disk),
    ("optional", optional),
)


def examine(progress=None):
    """Look at this machine.

    Args:
        progress: Called with the name of each check before it, or None.

    Returns:
        The list of `Check`s in the order they are shown; what this machine can ({"build", "profile_gpu",
        "profile_cpu", "energy"}: booleans); why not, by the same names, where the checks do not tell by
        themselves; and whether any part that answered is a stand-in.
    """
    context, checks = Context(), []
    for name, check in CHECKS:
        if progress is not None:
            progress(name)
        try:
            checks.append(Check(name, *check(context)))
        except Exception as error:  # whatever is broken here, the others are still of use
            checks.append(
                Check(name, "warning", "cannot be looked at: {}: {}".format(type(error).__name__, error), "")
            )
    return checks, context.abilities(), context.reasons(), context.emulated
