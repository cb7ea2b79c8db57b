"""One line of the answer, and what the checks learn that others go by."""

import os
from collections import namedtuple

from edgeshrink_device import boards, sysroot
from edgeshrink_device.inference.ways import Parts, choose

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
        can: Which parts work, by name: "numpy", "gpu", "onnxruntime", "power"; "build" is False where
            TensorRT's module ends the process that imports it.
        parts: The `inference.ways.Parts` found so far.
    """

    def __init__(self):
        self.board = boards.detect()
        self.in_container = any(os.path.exists(sysroot.path(sign)) for sign in SIGNS)
        self.emulated = sysroot.emulated()
        self.can = {}
        self.parts = Parts(None, None, "")

    @property
    def l4t_major(self):
        """32 for L4T 32.7.1; None where it is not known."""
        return int(self.board.l4t.split(".")[0]) if self.board and self.board.l4t else None

    def found(self, **parts):
        """Keep what was found of `inference.ways.Parts`."""
        self.parts = self.parts._replace(**parts)

    def way(self):
        """The `inference.ways.Way` that `build` and `profile` take here."""
        gone = self.can.get("gpu") is False or self.can.get("build") is False
        return choose(self.parts._replace(bindings=None, trtexec=None) if gone else self.parts)

    def abilities(self):
        """{"build", "profile_gpu", "profile_cpu", "energy"}: what this machine can, as booleans.

        Energy is that of the GPU where models are profiled on one, else that of the CPU.
        """
        can, way = self.can.get, self.way()
        gpu, cpu = bool(can("numpy") and way.run_with), bool(can("numpy") and can("onnxruntime"))
        return {
            "build": bool(way.built_with),
            "profile_gpu": gpu,
            "profile_cpu": cpu,
            "energy": bool(can("power") and (way.run_with == "python" if gpu else cpu)),
        }

    def reasons(self):
        """Why not, by the names of `abilities`, of what the checks do not tell by themselves."""
        can, way = self.abilities(), self.way()
        reasons = {}
        if can["build"] and not can["profile_gpu"] and way.why:
            reasons["profile_gpu"] = way.why
        if can["profile_gpu"] and self.can.get("power") and not can["energy"]:
            reasons["energy"] = way.why
        return reasons
