"""Python and its packages."""

import importlib.util
import os
import platform
import sys

from edgeshrink_device.doctor.check import MISSING, OK, UNNEEDED
from edgeshrink_device.doctor.probes import ask

__all__ = ["installed", "numpy", "onnxruntime", "python"]


def python(context):
    """The Python this runs on."""
    found = "{} ({})".format(platform.python_version(), sys.executable)
    if sys.prefix != sys.base_prefix:
        found += ", a virtual environment"
    return OK, found, ""


def numpy(context):
    """Needed by all that measures.

    1.19.5, the last for Python 3.6, takes a Cortex-A57 (Nano, TX2) for another processor: numpy issue 18131.
    """
    if not installed("numpy"):
        return (
            MISSING,
            "not installed for {}".format(sys.executable),
            _install("python3-numpy", "numpy", context),
        )
    answer = ask("numpy")
    if "error" not in answer:
        context.can["numpy"] = True
        kernels = os.environ.get("OPENBLAS_CORETYPE")
        trap = answer["version"] == "1.19.5" and platform.machine() == "aarch64"
        return OK, answer["version"] + (" with OPENBLAS_CORETYPE={}".format(kernels) if trap else ""), ""
    if answer.get("signal") == "SIGILL":
        found = "ends Python with an illegal instruction: its OpenBLAS takes this processor for another one"
        arm = context.board is not None or platform.machine() == "aarch64"
        mend = "export OPENBLAS_CORETYPE=ARMV8" if arm else _install("python3-numpy", "numpy", context)
        return MISSING, found, mend
    return (
        MISSING,
        "cannot be imported: {}".format(answer["error"]),
        _install("python3-numpy", "numpy", context),
    )


def onnxruntime(context):
    """Needed where networks run on the processor."""
    if not installed("onnxruntime"):
        status = UNNEEDED if context.board else MISSING
        found = "not installed; only --device cpu needs it"
        return status, found, "" if context.board else "python3 -m pip install onnxruntime"
    answer = ask("onnxruntime")
    if "error" in answer:
        status = UNNEEDED if context.board else MISSING
        found = "cannot be imported: {}; only --device cpu needs it".format(answer["error"])
        return status, found, "python3 -m pip install --force-reinstall onnxruntime"
    context.can["onnxruntime"] = True
    return OK, answer["version"], ""


def installed(name):
    """Whether a module of that name would be imported; it is not."""
    try:
        return importlib.util.find_spec(name) is not None
    except (ImportError, ValueError, AttributeError):
        return False


def _install(package, wheel, context):
    own = sys.prefix == sys.base_prefix and context.board is not None
    return "sudo apt-get install " + package if own else "python3 -m pip install " + wheel
