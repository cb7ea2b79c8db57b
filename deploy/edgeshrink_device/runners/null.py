"""`null`: a device that does nothing, on a clock of its own. It makes the whole profiler testable.

The "model" is a JSON file: {"latency_ms": 2.0, "inputs": {"x": [1, 4]}, "outputs": {"y": [1, 4]}}. Every
output is the first input; every run advances the clock by latency_ms times 1.00, 1.01, ... 1.04 in turn.
"""

import json

from edgeshrink_device.errors import InputError
from edgeshrink_device.runners import RUNNERS, Runner
from edgeshrink_device.specs import Spec

__all__ = ["NullRunner"]


@RUNNERS.register("null")
class NullRunner(Runner):
    """Runs nothing; its times are made up, so all it reports is marked emulated."""

    hidden = True
    emulated = True
    gpu_reason = "the null device has no GPU"
    engine_reason = "the null device has no engine"

    def __init__(self):
        self._now = 0.0
        self._runs = 0

    def prepare(self):
        """Nothing to import."""
        return {"null": "1"}

    def load(self, path, threads):
        """Read the JSON file."""
        try:
            with open(path) as file:
                model = json.load(file)
            self._latency_s = model["latency_ms"] / 1000.0
            specs = [
                [Spec(name, tuple(shape), "float32") for name, shape in sorted(model[role].items())]
                for role in ("inputs", "outputs")
            ]
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise InputError("{}: not a model of the null device: {}".format(path, error)) from error
        self._input, self._outputs = specs[0][0].name, len(specs[1])
        return specs[0], specs[1]

    def run(self, feed):
        """The first input, once an output."""
        self._now += self._latency_s * (1 + 0.01 * (self._runs % 5))
        self._runs += 1
        return [feed[self._input]] * self._outputs

    def clock(self):
        """The simulated seconds."""
        return self._now
