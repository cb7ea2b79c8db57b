"""What executes a model: one file a device, registered under the name `--device` takes.

A runner lives in the worker process of its model. Modules here import their runtime inside methods, since all
of them are loaded to know their names.
"""

import time

from edgeshrink_device.errors import InputError
from edgeshrink_device.registry import Registry

__all__ = ["RUNNERS", "Runner", "require_runner"]

RUNNERS = Registry("device", __name__)


def require_runner(name, board=None):
    """Let a known runner's name pass.

    Args:
        name: What the user gave as `--device`.
        board: The device tree's name of this board, None on anything that has none.

    Raises:
        InputError: There is no such runner; for a Jetson's name, what to do instead.
    """
    if name.startswith("jetson") and name not in RUNNERS.names():
        if board is None or "jetson" not in board.lower():
            raise InputError(
                "this machine is no Jetson",
                "Copy the bundle to the board, or measure here with --device cpu.",
            )
        raise InputError(
            "measuring on a Jetson's GPU is not built yet", "Its CPU is measured with --device cpu."
        )
    RUNNERS.get(name)


class Runner:
    """Loads one model and runs it.

    Attributes:
        emulated: True when any part of the device is simulated; every figure then says so.
        gpu_reason: Why there are no GPU times.
        engine_reason: Why there is no engine of the device's own to weigh.
    """

    emulated = False
    gpu_reason = ""
    engine_reason = ""

    def prepare(self):
        """Import the runtime, so that its memory counts as there before the model; returns its versions.

        Raises:
            DeviceError: The runtime is not installed.
        """
        raise NotImplementedError

    def load(self, path, threads):
        """Load the model; returns its inputs and outputs as two lists of `Spec`.

        Raises:
            InputError: The file is no model this runner reads.
            DeviceError: The device cannot run it.
        """
        raise NotImplementedError

    def run(self, feed):
        """Run once on a dict of arrays by input name; returns the outputs in order."""
        raise NotImplementedError

    def clock(self):
        """Seconds, monotonic."""
        return time.perf_counter()
