"""What executes a model: one file a device, registered under the name `--device` takes.

A runner lives in the worker process of its model. Modules here import their runtime inside methods, since all
of them are loaded to know their names.
"""

import time

from edgeshrink_device.errors import InputError
from edgeshrink_device.registry import Registry

__all__ = ["RUNNERS", "Runner", "require_runner"]

RUNNERS = Registry("device", __name__)
GPUS = ("gpu", "cuda", "nvidia", "trt", "igpu", "dgpu")  # what other tools call it
ON_ANY = "The GPU of a Jetson is --device jetson; that of another machine with TensorRT --device tensorrt."
BOARDS = {"nano", "tx1", "tx2", "nx", "xavier", "agx", "orin", "thor"}  # words of the boards' names


def require_runner(name, jetson=False):
    """Let a known runner's name pass.

    Args:
        name: What the user gave as `--device`.
        jetson: Whether this machine is one, as `boards.detect` finds.

    Raises:
        InputError: There is no such runner; for a Jetson's name, what to do instead.
    """
    if name.lower() in GPUS:
        own = "This board's GPU is --device jetson." if jetson else ON_ANY
        raise InputError("unknown device '{}'".format(name), own)
    if name.startswith("jetson") or BOARDS & set(name.lower().split("-")):
        if not jetson:
            raise InputError(
                "this machine is no Jetson",
                "Copy the bundle to the board, or measure here with --device cpu.",
            )
        if name not in RUNNERS.names():
            raise InputError(
                "'{}' is what a model is exported for, not what it runs on".format(name),
                "The board this runs on is --device jetson.",
            )
    RUNNERS.get(name)


class Runner:
    """Loads one model and runs it.

    Attributes:
        emulated: True when any part of the device is simulated; every figure then says so.
        kind: What the times are those of: "cpu" or "gpu".
        gpu_reason: Why there are no GPU times.
        engine_reason: Why there is no engine of the device's own to weigh.
        layers_reason: Why there are no times of layers.
        energy_reason: Why no energy can be measured with this runner; None where it can.
        runs_engines: Whether it runs engines that are built before anything is measured.
        gpu_seconds: A function that tells the seconds of GPU time of the last run, or None without a GPU.
        precision: What the model is computed in ("fp16"), or None: as in the file.
        most_checked: How many feeds parity is checked with at most, where running one takes long; or None.
        asked: {input: sizes} that the model is to be loaded at, in place of its manifest's opt.
        open_batch: Whether the model, once loaded, leaves its first input's first size open.
    """

    emulated = False
    kind = "cpu"
    gpu_reason = ""
    engine_reason = ""
    layers_reason = "times of single layers are not taken: they would change the times of the whole"
    energy_reason = None
    runs_engines = False
    gpu_seconds = None
    precision = None
    most_checked = None
    asked = {}  # noqa: RUF012, replaced and never changed
    open_batch = False

    @classmethod
    def make(cls, options=None):
        """The runner for a model.

        Args:
            options: What `inference.preparing.prepare` gave, for runners that run engines.
        """
        return cls()

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

    def run_many(self, seconds, runs, feed):
        """Run at least `seconds` and `runs`, for runners that time themselves: `times_itself` is then True.

        Returns:
            (end-to-end, GPU) seconds, a pair a run.
        """
        raise NotImplementedError

    times_itself = False

    def about(self):
        """What the profile tells of this runner beyond its class: `model`, `memory`, `device`, `warnings`.

        The first three are merged into the profile's objects of that name.
        """
        return {"model": {}, "memory": {}, "device": {}, "warnings": []}

    def layers(self, feed):
        """The profile's `layers` and how they were measured, in words; or None and why there are none.

        Called last of all: what it changes in the runner disturbs no time.
        """
        return None, self.layers_reason

    def close(self):
        """Give back what `load` took."""
