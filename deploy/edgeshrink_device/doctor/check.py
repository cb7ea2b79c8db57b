"""One line of the answer, and what the checks learn that others go by."""

import os
from collections import namedtuple

from edgeshrink_device import boards, sysroot

__all__ = ["MISSING", "OK", "UNNEEDED", "WARNING", "Check", "Context"]

OK, WARNING, MISSING, UNNEEDED = "ok", "warning", "missing", "not needed"

SIGNS = ("/.dockerenv", "/run/.containerenv")  # of a container: Docker's and Podman's

Check = namedtuple("Check", ["name", "status", "found", "mend"])
Check.__doc__ = """name: what was looked at; status: "ok", "warning", "missing" or "not needed"; found: what
is there, or what is wrong; mend: the command, or what else to do; empty where nothing is to be done."""


class Context:
    """What the checks so far have learned.

    Attributes:
        board: The `boards.Board`, or None.
        in_container: Whether this is a container.
        emulated: Whether any part that answered is a stand-in.
        can: Which parts work, by name: "numpy", "tensorrt", "trtexec", "gpu", "cudart", "pycuda",
            "onnxruntime", "power".
    """

    def __init__(self):
        self.board = boards.detect()
        self.in_container = any(os.path.exists(sysroot.path(sign)) for sign in SIGNS)
        self.emulated = sysroot.emulated()
        self.can = {}

    @property
    def l4t_major(self):
        """32 for L4T 32.7.1; None where it is not known."""
        return int(self.board.l4t.split(".")[0]) if self.board and self.board.l4t else None

    def abilities(self):
        """{"build", "profile_gpu", "profile_cpu", "energy"}: what this machine can, as booleans."""
        can = self.can.get
        gpu = can("gpu") is not False  # not known counts as there: TensorRT tells it when it builds
        bindings, program = can("tensorrt") and gpu, can("trtexec") and gpu
        timed = bindings and (can("cudart") or can("pycuda"))
        return {
            "build": bool(bindings or program),
            "profile_gpu": bool(can("numpy") and (timed or program)),
            "profile_cpu": bool(can("numpy") and can("onnxruntime")),
            "energy": bool(can("power")),
        }
