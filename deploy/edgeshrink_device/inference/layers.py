"""What each layer of an engine takes, by TensorRT's IProfiler: in runs of their own, since it slows them.

TensorRT fuses nodes of the ONNX file into layers and names a layer after them ("Conv_0 + Relu_1"); which
module of the trained network that was, is told by the node's weight ("features.0.weight"), else by the path
in the node's own name ("features/0/Conv").
"""

import re
import time

from edgeshrink_device.engines.names import module_in_name

__all__ = ["layer_times", "make_profiler", "module_of"]

MOST_RUNS = 100
LEAST_RUNS = 10
ENOUGH_S = 2.0
WORDS = re.compile(r"[^\s+(),\[\]{}]+")


def make_profiler(trt):
    """An IProfiler whose `times` are {layer: [milliseconds, one a run]}, in the order of the first run."""

    class Profiler(trt.IProfiler):
        def __init__(self):
            trt.IProfiler.__init__(self)
            self.times = {}

        def report_layer_time(self, layer_name, ms):
            self.times.setdefault(layer_name, []).append(ms)

    return Profiler()


def layer_times(run, profiler, nodes):
    """Run until enough is known of each layer.

    Args:
        run: Runs once.
        profiler: From `make_profiler`, in use.
        nodes: The model's nodes (`engines.onnx_outline.Node`).

    Returns:
        One {"name", "mean_ms", "share", "module"} a layer in the order they run (module: None where the name
        tells none), and the number of runs. The first run is left out: it warms up.
    """
    run()
    profiler.times.clear()
    runs, began = 0, time.perf_counter()
    while runs < LEAST_RUNS or (runs < MOST_RUNS and time.perf_counter() - began < ENOUGH_S):
        run()
        runs += 1
    means = [(name, sum(times) / runs) for name, times in profiler.times.items()]
    return shares(means, nodes), runs


def shares(means, nodes):
    """The profile's `layers` of (name, mean milliseconds) pairs."""
    total = sum(mean for _, mean in means)
    modules = {node.name: node.module for node in nodes if node.name}
    return [
        {
            "name": name,
            "mean_ms": mean,
            "share": mean / total if total else None,
            "module": module_of(name, modules),
        }
        for name, mean in means
    ]


def module_of(layer, modules):
    """The module that a layer's name tells, or None.

    Args:
        layer: TensorRT's name of it.
        modules: {ONNX node: module, or empty where its weight tells none}.
    """
    named = [word for word in [layer, *WORDS.findall(layer)] if word in modules]
    told = [modules[word] for word in named if modules[word]] + [module_in_name(word) for word in named]
    return next(filter(None, told), None)
